//! Every published format of the ledger and all verification: no I/O, no clock.
//!
//! | module | format | spec |
//! |---|---|---|
//! | [`merkle`] | hash tree, proofs | RFC 6962, RFC 9162 |
//! | [`tile`] | tiles and entry bundles | <https://c2sp.org/tlog-tiles> |
//! | [`note`] | signed notes, keys | <https://c2sp.org/signed-note> |
//! | [`checkpoint`] | what a log says of itself | <https://c2sp.org/tlog-checkpoint> |
//! | [`cosignature`] | what a witness says of a log | <https://c2sp.org/tlog-cosignature> |
//! | [`policy`] | whom a verifier trusts | <https://c2sp.org/tlog-policy> |
//! | [`proof`] | one file that proves one entry | <https://c2sp.org/tlog-proof> |
//! | [`multiproof`] | one file that proves many entries | ours, in the module |
//! | [`cose`] | proofs as COSE receipts | RFC 9942 |
//! | [`evidence`] | files that convict a log or a witness | ours, in the module |
//! | [`witness_wire`] | what logs and witnesses say to each other | <https://c2sp.org/tlog-witness> |
//! | [`status_proof`] | one file that proves the status of one subject | ours, in the module |
//! | [`chain`] | one file that proves that an action was allowed | ours, in the module |
//! | [`generation`] | how the logs are called that follow each other in a sandbox | ours, in the module |
//! | [`token`] | what an agent shows in a session, and the keys that check it | RFC 7519, 7517, 8037 |
//! | [`http_signature`] | how a caller proves possession of a key, call by call | RFC 9421, 9530 |
//! | [`record`] | what actors sign and the log commits to | ours, in the module |
//!
//! Every parser accepts one spelling only, refuses before it allocates, and does not panic on any input.
//! Deliberately absent: sockets, files, clocks and randomness. Time is an argument; keys come from seeds.

pub mod chain;
pub mod checkpoint;
pub mod cose;
pub mod cosignature;
pub mod evidence;
pub mod generation;
mod hmac;
pub mod http_signature;
pub mod merkle;
pub mod multiproof;
pub mod note;
pub mod payload;
pub mod policy;
pub mod proof;
pub mod record;
pub mod status_proof;
mod text;
pub mod tile;
pub mod token;
pub mod witness_wire;

pub use chain::{
    Chain, ChainEnd, ChainError, ChainFault, ChainFreshness, ChainLink, ChainMoment, ChainQuestion,
    ChainReason, ChainVerdict, TenantRoot, verify_chain,
};
pub use checkpoint::{Checkpoint, CheckpointError, ORIGIN_BYTES_MAX};
pub use cose::{CoseError, CoseProof, CoseReceipt};
pub use evidence::{Evidence, EvidenceError, EvidenceKind, NotEvidence, PrefixProof, Verdict};
pub use generation::{GENERATIONS_MAX, SANDBOX_ORIGIN_BYTES_MAX, generation_of, generation_origin};
pub use hmac::hmac_sha256;
pub use merkle::{
    Frontier, Hash, HashReader, PROOF_HASHES_MAX, ProofError, empty_root, leaf_hash, node_hash,
    prove_consistency, prove_inclusion, prove_subtree, tree_root, verify_consistency, verify_inclusion,
    verify_subtree,
};
pub use multiproof::{MultiProof, MultiProofBuildError, MultiProofError, MultiProven};
pub use note::{
    KeyId, NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX, Note, NoteError, NoteSigner, SignatureError, SignatureLine,
    SignatureLineError, SignatureType, SignerError, Vkey, VkeyError, key_id,
};
pub use policy::{
    FUTURE_TOLERANCE_S, Policy, PolicyError, PolicyErrorReason, PolicyFailure, PolicyLog, PolicyWitness,
    Witnessed,
};
pub use proof::{Proven, TlogProof, TlogProofError, VerifyError, verify};
pub use status_proof::{
    EMPTY_MAP_ROOT, MapLeaf, MapProof, MapProofError, Standing, Staple, StapleError, StapleFailure,
    StapleQuestion, StapleVerdict, is_subject, map_key, map_value_hash, verify_staple,
};
pub use tile::{
    BundleError, BundleId, ENTRY_BYTES_MAX, TILE_WIDTH, TileError, TileHashError, TileHashReader, TileId,
    TilePathError, TileReader, encode_tile, full_tiles, parse_bundle, parse_tile, partial_width,
    push_bundle_entry, tile_root,
};
pub use token::{Token, TokenClaims, TokenError};
pub use witness_wire::{
    AddCheckpoint, SignSubtree, WireError, encode_cosignature_lines, origin_path, parse_cosignature_lines,
    parse_size_answer, size_answer,
};
