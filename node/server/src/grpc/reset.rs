//! `Admin.ResetLog`: ends a generation of a sandbox log and waits until the next one takes records and is published.

use std::time::Duration;

use ledger_format::GENERATIONS_MAX;
use ledger_log::HostedLog;
use ledger_proto::v1::{ResetLogRequest, ResetLogResponse};
use tokio::time::Instant;
use tonic::{Code, Status};

use super::{Services, admin::refused, refusal};

/// How long the next generation may take to begin: its directory, an election, its genesis on a majority, the first checkpoint.
const BEGIN_LIMIT: Duration = Duration::from_secs(30);
/// Between two looks at it.
const LOOK: Duration = Duration::from_millis(50);

/// Ends the generation that the request names, or finds that it has ended, and answers once the next one has begun: then a
/// majority of the nodes is on it, so nothing that is acknowledged from now on belongs to the old one.
pub(super) async fn reset(services: &Services, request: ResetLogRequest) -> Result<ResetLogResponse, Status> {
    let log = sandbox(services, &request.log)?;
    let main = services.logs.main();
    let now = main.generation_of(&request.log).map_err(|error| Status::internal(error.to_string()))?.number;
    let ended = if request.generation == 0 { now } else { request.generation };
    if ended > now {
        let message = format!("log {} is in generation {now}, not yet in {ended}", log.name());
        return Err(refusal::invalid("generation", message, "use the generation of Admin.Status, or 0"));
    }
    if ended >= GENERATIONS_MAX {
        let message = format!("log {} is in generation {ended}, the last there can be", log.name());
        let fix = "configure a sandbox with another origin";
        return Err(refusal::refuse(Code::FailedPrecondition, "LAST_GENERATION", "log", message, fix));
    }
    // At a node that does not lead this names the leader, as every change of the cluster does.
    let agreed = main.end_generation(&request.log, ended).await.map_err(|error| refused(main, &error))?;
    let begun = begun(services, &request.log, agreed.number).await?;
    Ok(ResetLogResponse {
        generation: begun.generation().unwrap_or_default(),
        origin: begun.origin().to_owned(),
        vkey: begun.vkey().to_string(),
        policy: begun.policy_text().to_owned(),
    })
}

/// The sandbox that is meant. It has to be named: what cannot be undone has no default.
fn sandbox(services: &Services, name: &str) -> Result<HostedLog, Status> {
    if name.is_empty() {
        return Err(refusal::invalid("log", "no log is named", "name the sandbox to be reset"));
    }
    let log = services.logs.named(name).map_err(refusal::from_api)?;
    if log.generation().is_none() {
        let message = format!("log {name} is a production log: it can never be reset");
        let fix = "name a log whose configuration says sandbox = true";
        return Err(refusal::refuse(Code::FailedPrecondition, "PRODUCTION", "log", message, fix));
    }
    Ok(log)
}

/// Waits until this node serves the generation, or a later one, that one takes records, and its first checkpoint is out.
async fn begun(services: &Services, name: &str, generation: u32) -> Result<HostedLog, Status> {
    let deadline = Instant::now() + BEGIN_LIMIT;
    loop {
        let open = services.logs.get(name).filter(|log| log.generation() >= Some(generation));
        let why = match open {
            None => "it is not open yet".to_owned(),
            Some(log) => match log.ready() {
                Ok(()) if log.reader().wait_published(1, LOOK).await.is_some() => return Ok(log),
                Ok(()) => "its first checkpoint is not witnessed yet".to_owned(),
                Err(why) => why,
            },
        };
        if Instant::now() >= deadline {
            let message =
                format!("generation {generation} of log {name} is agreed on but has not begun: {why}");
            let fix = "look at Admin.Status; the same call with the generation that was ended waits again";
            return Err(refusal::refuse(Code::DeadlineExceeded, "TIMEOUT", "log", message, fix));
        }
        tokio::time::sleep(LOOK).await;
    }
}
