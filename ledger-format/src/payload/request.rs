//! What a tenant signs when it asks nodes to keep a payload, or to give one back.
//!
//! ```text
//!   maip-payload-request/1
//!   <name of the log, as in the request: it may be empty>
//!   maip-tenant:<ULID>
//!   put <commitment> <note>        or: get <commitment>
//!   <the subject's commitment>
//!   <time, ms since 1970>
//! ```
//! Every line ends with a newline. A record begins with `{` and a checkpoint with its origin, so nothing that is signed elsewhere is one of
//! these.

use crate::record::{Digest, PublicKey, SigningKey, TenantId};

/// How far the time of a request may be from the node's clock, ms: as long a request that was overheard can be sent again.
pub const REQUEST_AGE_MAX_MS: u64 = 5 * 60 * 1_000;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PayloadAct {
    /// To keep the payload with this commitment, and this note on what it is.
    Put {
        /// The note; printable ASCII, so that the statement has one spelling.
        media: String,
    },
    /// To give it back.
    Get,
}

/// A request, before it is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayloadRequest {
    /// Name of the log, as the request gives it; empty: the node's first one.
    pub log: String,
    /// Who asks.
    pub tenant: TenantId,
    /// What for.
    pub act: PayloadAct,
    /// The commitment that stands for the payload.
    pub commitment: Digest,
    /// The commitment that names the subject, as its `erasure` will.
    pub subject: Digest,
    /// When, ms since 1970.
    pub at_ms: u64,
}

/// Why a request is not honoured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadRequest {
    /// The note, or the name of the log, could be read in two ways.
    #[error("the note on a value is printable ASCII")]
    Media,
    /// Too old, or from the future.
    #[error("its time is more than {REQUEST_AGE_MAX_MS} ms from the node's clock")]
    Age,
    /// Another key, another request.
    #[error("it is not signed by the tenant's key")]
    Signature,
}

impl PayloadRequest {
    /// The statement, to be signed.
    ///
    /// # Errors
    /// [`BadRequest::Media`].
    fn text(&self) -> Result<String, BadRequest> {
        let printable = |text: &str| text.bytes().all(|b| (b' '..=b'~').contains(&b));
        let act = match &self.act {
            PayloadAct::Put { media } if printable(media) => format!("put {} {media}", self.commitment),
            PayloadAct::Get => format!("get {}", self.commitment),
            PayloadAct::Put { .. } => return Err(BadRequest::Media),
        };
        if !printable(&self.log) {
            return Err(BadRequest::Media);
        }
        let Self { log, tenant, subject, at_ms, .. } = self;
        Ok(format!("maip-payload-request/1\n{log}\n{tenant}\n{act}\n{subject}\n{at_ms}\n"))
    }

    /// Signs it with the tenant's root key.
    ///
    /// # Errors
    /// [`BadRequest::Media`].
    pub fn sign(&self, key: &SigningKey) -> Result<[u8; 64], BadRequest> {
        Ok(key.sign(self.text()?.as_bytes()))
    }

    /// Checks age and signature.
    ///
    /// # Errors
    /// What does not hold.
    pub fn verify(&self, key: &PublicKey, signature: &[u8; 64], now_ms: u64) -> Result<(), BadRequest> {
        if now_ms.abs_diff(self.at_ms) > REQUEST_AGE_MAX_MS {
            return Err(BadRequest::Age);
        }
        key.verify(self.text()?.as_bytes(), signature).map_err(|_| BadRequest::Signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Ulid;

    fn request() -> PayloadRequest {
        PayloadRequest {
            log: "main".into(),
            tenant: TenantId(Ulid(7)),
            act: PayloadAct::Put { media: "text/plain".into() },
            commitment: Digest::sha256(b"value"),
            subject: Digest::sha256(b"subject"),
            at_ms: 1_769_000_000_000,
        }
    }

    #[test]
    fn the_statement_is_what_the_documentation_says() {
        let want = format!(
            "maip-payload-request/1\nmain\n{}\nput {} text/plain\n{}\n1769000000000\n",
            TenantId(Ulid(7)),
            Digest::sha256(b"value"),
            Digest::sha256(b"subject"),
        );
        assert_eq!(request().text().unwrap(), want);
    }

    #[test]
    fn every_field_is_signed_and_the_time_is_near() {
        let (key, now) = (SigningKey::from_seed([1; 32]), request().at_ms);
        let signature = request().sign(&key).unwrap();
        let check = |request: PayloadRequest, now| request.verify(&key.public(), &signature, now);
        assert_eq!(check(request(), now), Ok(()));
        assert_eq!(check(request(), now + REQUEST_AGE_MAX_MS), Ok(()));
        for far in [now + REQUEST_AGE_MAX_MS + 1, now - REQUEST_AGE_MAX_MS - 1, 0] {
            assert_eq!(check(request(), far), Err(BadRequest::Age));
        }
        let other = Digest::sha256(b"other");
        let altered = [
            PayloadRequest { log: "sandbox".into(), ..request() },
            PayloadRequest { tenant: TenantId(Ulid(8)), ..request() },
            PayloadRequest { act: PayloadAct::Get, ..request() },
            PayloadRequest { act: PayloadAct::Put { media: "text".into() }, ..request() },
            PayloadRequest { commitment: other, ..request() },
            PayloadRequest { subject: other, ..request() },
            PayloadRequest { at_ms: now + 1, ..request() },
        ];
        for request in altered {
            assert_eq!(check(request, now), Err(BadRequest::Signature));
        }
        assert_eq!(
            request().verify(&SigningKey::from_seed([2; 32]).public(), &signature, now),
            Err(BadRequest::Signature)
        );
        let two = PayloadRequest { act: PayloadAct::Put { media: "a\nb".into() }, ..request() };
        assert_eq!(two.sign(&key), Err(BadRequest::Media));
    }
}
