//! Node ids: each belongs to one disk for ever (rule L3).

use crate::applied::{Alarm, Applied, Outcome};
use crate::keys;
use crate::rejection::{Code, Rejection};
use crate::view::View;

/// Takes a node id into use, or confirms it to the disk that has it.
pub(crate) fn register(view: &(impl View + ?Sized), id: u64, incarnation: u128) -> Result<Applied, Alarm> {
    let (key, value) = (keys::node(id), incarnation.to_be_bytes().to_vec());
    let (outcome, writes) = match view.get(&key) {
        None => (Outcome::Done, vec![(key, Some(value))]),
        Some(known) if known == value => (Outcome::Done, Vec::new()),
        Some(_) => {
            let message = format!("node id {id} was used by a node with another disk");
            let fix = "give the node an id that was never used";
            let rejection = Rejection::new(Code::NodeIdUsed, "node_id", message, fix);
            (Outcome::Rejected(rejection), Vec::new())
        }
    };
    Ok(Applied { outcomes: vec![outcome], writes, ..Applied::default() })
}
