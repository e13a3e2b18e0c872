//! Documents: not served yet.

pub(super) fn declare(_: &mut crate::endpoint::Routes) {}
