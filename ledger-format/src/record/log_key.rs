//! `log.key`: the log's verifier keys change while its origin stays (a key is added, later another one retired).

use super::body::{ActorKind, FieldInfo, TypeInfo};
use super::fields::{self, words};
use super::json::{JsonError, Reader, Writer};
use crate::checkpoint::ORIGIN_BYTES_MAX;
use crate::note::{SignatureType, Vkey};

words! {
    /// What becomes of a verifier key of the log.
    LogKeyAction, "one of add, retire" {
        /// It may sign checkpoints from here on.
        Add = "add",
        /// It signs no checkpoint that is published after this.
        Retire = "retire",
    }
}

/// Facts for documents and tests.
pub(super) const INFO: TypeInfo = TypeInfo {
    name: "log.key",
    about: "",
    actors: &[ActorKind::Operator],
    fields: &[FieldInfo::required("action"), FieldInfo::required("vkey")],
};

/// Body of `log.key`. The record's `tenant` is all zeros, and the operator signs it in its own name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogKey {
    /// What becomes of the key.
    pub action: LogKeyAction,
    /// The verifier key (`name+hash+key`, Ed25519). That its name is the log's origin is a rule of the state.
    pub vkey: String,
}

impl LogKey {
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, JsonError> {
        let (mut action, mut vkey) = (None, None);
        r.object(|r, key| {
            match key {
                "action" => action = Some(LogKeyAction::read(r)?),
                "vkey" => {
                    let rule = "an ed25519 verifier key: name+hash+key";
                    vkey = Some(fields::read_with(r, rule, |text| is_key(text).then(|| text.to_owned()))?);
                }
                _ => return fields::unknown(r),
            }
            Ok(())
        })?;
        Ok(Self { action: r.required("action", action)?, vkey: r.required("vkey", vkey)? })
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.open_object();
        w.text_field("action", self.action.as_str());
        w.text_field("vkey", &self.vkey);
        w.close_object();
    }
}

fn is_key(text: &str) -> bool {
    text.len() <= 2 * ORIGIN_BYTES_MAX
        && Vkey::parse(text).is_ok_and(|key| key.signature_type() == SignatureType::Ed25519)
}
