//! Who is calling: nobody in particular, or the operator with the admin key.

use ledger_log::Credential;
use tonic::{Code, Status, metadata::MetadataMap};

use super::refusal;
use crate::keys::AdminKey;

const SCHEME: &str = "ApiKey ";

/// Nobody, when no key is shown; the operator, when the admin key is. A wrong key is refused, never ignored.
pub(super) fn credential(metadata: &MetadataMap, admin_key: &AdminKey) -> Result<Credential, Status> {
    let Some(value) = metadata.get("authorization") else { return Ok(Credential::Anonymous) };
    let presented = value.to_str().ok().and_then(|text| text.strip_prefix(SCHEME)).unwrap_or_default();
    if admin_key.matches(presented) {
        Ok(Credential::Admin)
    } else {
        Err(unauthenticated("this is not the admin key"))
    }
}

/// Lets only the operator through.
pub(super) fn admin(metadata: &MetadataMap, admin_key: &AdminKey) -> Result<(), Status> {
    match credential(metadata, admin_key)? {
        Credential::Admin => Ok(()),
        _ => Err(unauthenticated("this call needs the admin key")),
    }
}

fn unauthenticated(message: &str) -> Status {
    let fix = "send `authorization: ApiKey <content of the admin key file>`";
    refusal::refuse(Code::Unauthenticated, "UNAUTHENTICATED", "authorization", message, fix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{new_admin_key, write_secret};

    #[test]
    fn a_wrong_key_is_refused_and_no_key_is_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin.key");
        let text = new_admin_key().unwrap();
        write_secret(&path, &text).unwrap();
        let key = AdminKey::load(&path).unwrap();
        let with = |value: &str| {
            let mut metadata = MetadataMap::new();
            metadata.insert("authorization", value.parse().unwrap());
            metadata
        };
        assert!(matches!(credential(&MetadataMap::new(), &key), Ok(Credential::Anonymous)));
        assert!(matches!(credential(&with(&format!("ApiKey {text}")), &key), Ok(Credential::Admin)));
        for wrong in ["ApiKey maip_live_x", "ApiKey ", "", &text, &format!("Bearer {text}")] {
            assert_eq!(credential(&with(wrong), &key).unwrap_err().code(), Code::Unauthenticated, "{wrong}");
        }
        assert_eq!(admin(&MetadataMap::new(), &key).unwrap_err().code(), Code::Unauthenticated);
    }
}
