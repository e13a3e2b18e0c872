//! Calls of the `Admin` service.
//!
//! Reading goes to any node. A change of the cluster is made by the leader, and a node hosts several logs whose leaders
//! may be different nodes: so a change is asked for at the node each refusal names, until nobody refuses. Each step is
//! idempotent on the server.

use ledger_proto::v1::admin_client::AdminClient;
use tonic::{Request, Status, transport::Channel};

use super::nodes::{ANSWER_BYTES_MAX, Failures, Nodes, PAUSE_MAX};
use crate::error::ClientError;

/// How many nodes are asked for one change, in all: two leaders, each of which may be elected anew meanwhile.
const CHANGE_STEPS_MAX: usize = 12;
/// What a node that does not lead says before the leader's URL, which is missing when it knows none.
const ASK: &str = "does not lead; ask ";

impl Nodes {
    /// Makes a call of the `Admin` service on any node, with the operator's key on the request.
    ///
    /// # Errors
    /// A refusal, or no node.
    pub async fn admin<M: Clone, T>(
        &self,
        message: M,
        call: impl AsyncFn(AdminClient<Channel>, Request<M>) -> Result<tonic::Response<T>, Status>,
    ) -> Result<T, ClientError> {
        self.call(async |channel| call(client(channel), self.with_key(Request::new(message.clone()))).await)
            .await
            .map(tonic::Response::into_inner)
    }

    /// As [`Self::admin`], for a call that only leaders can answer.
    ///
    /// # Errors
    /// A refusal by a leader, or none is found.
    pub async fn change<M: Clone, T>(
        &self,
        message: M,
        call: impl AsyncFn(AdminClient<Channel>, Request<M>) -> Result<tonic::Response<T>, Status>,
    ) -> Result<T, ClientError> {
        let mut leader: Option<String> = None;
        let mut step = 0;
        loop {
            step += 1;
            let answer = match &leader {
                None => self.admin(message.clone(), &call).await,
                Some(url) => self.once(url, message.clone(), &call).await,
            };
            let next = match &answer {
                Err(ClientError::Refused(refused)) => leader_named(&refused.message),
                // The leader that was named is gone: whoever is left knows the next one.
                Err(ClientError::Unreachable { .. }) if leader.is_some() => Some(None),
                _ => None,
            };
            let Some(next) = next.filter(|_| step < CHANGE_STEPS_MAX) else { return answer };
            // No leader yet, or one that denies it: the others have not heard of its successor.
            if next.is_none() || next == leader {
                tokio::time::sleep(PAUSE_MAX).await;
            }
            leader = next;
        }
    }

    async fn once<M, T>(
        &self,
        url: &str,
        message: M,
        call: &impl AsyncFn(AdminClient<Channel>, Request<M>) -> Result<tonic::Response<T>, Status>,
    ) -> Result<T, ClientError> {
        let channel = self.channel_to(url)?;
        match call(client(channel), self.with_key(Request::new(message))).await {
            Ok(answer) => Ok(answer.into_inner()),
            Err(status) => {
                let mut failures = Failures::default();
                failures.note(url, &status)?;
                Err(failures.into_error())
            }
        }
    }
}

fn client(channel: Channel) -> AdminClient<Channel> {
    AdminClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX)
}

/// `None`: the refusal has another reason. `Some(None)`: no leader is known now.
fn leader_named(message: &str) -> Option<Option<String>> {
    let url = message.split_once(ASK)?.1.trim();
    Some((!url.is_empty()).then(|| url.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_leader() {
        let leader = Some(Some("https://n3:7443".to_owned()));
        assert_eq!(leader_named("log main: this node does not lead; ask https://n3:7443"), leader);
        assert_eq!(leader_named("log main: this node does not lead; ask "), Some(None));
        assert_eq!(leader_named("node 4 is behind"), None);
    }
}
