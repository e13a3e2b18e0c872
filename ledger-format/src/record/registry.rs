//! What a tenant has named: `scope.define`, `tool.register`.

use super::declare::body;
use super::fields::Digest;
use super::ids::ToolId;
use super::keys::PublicKey;
use super::kinds::{DigestOf, Flag, Id, Key, Name, OnBehalfOf, OneScope, Scopes, Token};
use super::scope::Scope;

body! {
    /// Body of `scope.define`: what a scope means in this tenant.
    ///
    /// Effect: the tenant's definition of the scope is this. If it is critical, a supervised agent needs an approval for its actions, as for
    /// those that its own registration lists. Refused: `too_many_definitions`.
    ScopeDefine = "scope.define" by [Tenant, Operator], info DEFINE {
        /// whether a supervised agent needs an approval
        required critical: bool as Flag,
        /// what it means
        optional description: String as Name,
        /// see the envelope
        optional on_behalf_of: String as OnBehalfOf,
        /// the scope
        required scope: Scope as OneScope,
    }
}

body! {
    /// Body of `tool.register`: a tool that agents of the tenant use, or a new version of it.
    ///
    /// Effect: the tool is registered so. A decision of the kind `tool` that names it is denied if the action is none of its scopes.
    /// Refused: `owned_by_other_tenant`.
    ToolRegister = "tool.register" by [Tenant, Operator], info TOOL {
        /// digest of its schema
        optional digest: Digest as DigestOf,
        /// what people call it
        required name: String as Name,
        /// see the envelope
        optional on_behalf_of: String as OnBehalfOf,
        /// the key that its owner verifies or signs with
        optional owner_key: PublicKey as Key,
        /// what using it may be
        required scopes: Vec<Scope> as Scopes,
        /// its id
        required tool: ToolId as Id<ToolId>,
        /// its version
        optional version: String as Token,
    }
}
