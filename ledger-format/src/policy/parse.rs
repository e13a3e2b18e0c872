//! Reading a policy file, line by line, as strictly as the spec says.

use std::collections::BTreeMap;

use super::{Group, Member, POLICY_BYTES_MAX, POLICY_ITEMS_MAX, Policy, PolicyLog, PolicyWitness};
use crate::note::{SignatureType, Vkey, VkeyError};
use crate::text::parse_decimal;

/// The predefined name of a quorum that needs nobody.
const NONE: &str = "none";

/// Why a text is not a policy. Whoever wrote the file is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("policy line {line}: {reason}")]
pub struct PolicyError {
    /// Line from 1; 0 when it is about the whole file.
    pub line: usize,
    /// What is wrong there.
    pub reason: PolicyErrorReason,
}

/// What is wrong with one line of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyErrorReason {
    /// Over [`POLICY_BYTES_MAX`].
    #[error("the file is over {POLICY_BYTES_MAX} bytes")]
    TooLong,
    /// A control character that is neither tab nor newline.
    #[error("a control character that is neither tab nor newline")]
    Control,
    /// The last line has no newline.
    #[error("the last line has no newline")]
    NoNewline,
    /// The first word is none of log, witness, group, quorum.
    #[error("a line starts with log, witness, group, quorum or #")]
    Keyword,
    /// Too few or too many words.
    #[error("wrong number of words for this kind of line")]
    Words,
    /// The key is malformed or of no use.
    #[error("{0}")]
    Vkey(VkeyError),
    /// A log key must be of type 0x01 or 0x06, a witness key of type 0x04 or 0x06.
    #[error("a key of type {:#04x} cannot be used on this kind of line", ty.byte())]
    KeyType {
        /// Type of the key.
        ty: SignatureType,
    },
    /// The same public key on an earlier line of this kind, whatever its name.
    #[error("the same public key is on an earlier line")]
    DuplicateKey,
    /// The name is on an earlier line, or is `none`.
    #[error("the name is already taken")]
    DuplicateName,
    /// The threshold is not any, all, or a decimal from 1 to the number of members.
    #[error("the threshold is not any, all or a number from 1 to the number of members")]
    Threshold,
    /// No witness or group of that name on an earlier line.
    #[error("no witness or group of this name on an earlier line")]
    UnknownName,
    /// A name is in a group already.
    #[error("a witness or group is a member of two groups, or of one twice")]
    MemberTwice,
    /// More than one quorum line.
    #[error("a second quorum line")]
    SecondQuorum,
    /// No quorum line.
    #[error("the file has no quorum line")]
    NoQuorum,
    /// More than [`POLICY_ITEMS_MAX`] lines of this kind.
    #[error("more than {POLICY_ITEMS_MAX} lines of this kind")]
    TooMany,
}

use PolicyErrorReason as Reason;

impl Policy {
    /// Reads a policy file.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let whole = |reason| PolicyError { line: 0, reason };
        if text.len() > POLICY_BYTES_MAX {
            return Err(whole(Reason::TooLong));
        }
        let mut parser = Parser::default();
        for (number, line) in (1..).zip(text.split_inclusive('\n')) {
            parser.line(line).map_err(|reason| PolicyError { line: number, reason })?;
        }
        parser.finish().map_err(whole)
    }
}

#[derive(Default)]
struct Parser {
    logs: Vec<PolicyLog>,
    witnesses: Vec<PolicyWitness>,
    groups: Vec<Group>,
    names: BTreeMap<String, Name>,
    /// Outer `None` until the quorum line; inner for `none`.
    quorum: Option<Option<Member>>,
}

struct Name {
    member: Member,
    in_group: bool,
}

impl Parser {
    fn line(&mut self, line: &str) -> Result<(), Reason> {
        let line = line.strip_suffix('\n').ok_or(Reason::NoNewline)?;
        if line.bytes().any(|byte| (byte < 0x20 && byte != b'\t') || byte == 0x7f) {
            return Err(Reason::Control);
        }
        let words: Vec<&str> = line.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
        match words.as_slice() {
            [] => Ok(()),
            [first, ..] if first.starts_with('#') => Ok(()),
            ["log", rest @ ..] => self.log(rest),
            ["witness", rest @ ..] => self.witness(rest),
            ["group", rest @ ..] => self.group(rest),
            ["quorum", rest @ ..] => self.quorum(rest),
            _ => Err(Reason::Keyword),
        }
    }

    fn log(&mut self, words: &[&str]) -> Result<(), Reason> {
        let (vkey, url) = match words {
            [vkey] => (vkey, None),
            [vkey, url] => (vkey, Some((*url).to_owned())),
            _ => return Err(Reason::Words),
        };
        let vkey = parse_key(vkey, &[SignatureType::Ed25519, SignatureType::MlDsa44])?;
        check_new_key(&vkey, self.logs.iter().map(|log| &log.vkey))?;
        self.logs.push(PolicyLog { vkey, url });
        check_count(self.logs.len())
    }

    fn witness(&mut self, words: &[&str]) -> Result<(), Reason> {
        let (name, vkey, url) = match words {
            [name, vkey] => (*name, vkey, None),
            [name, vkey, url] => (*name, vkey, Some((*url).to_owned())),
            _ => return Err(Reason::Words),
        };
        let vkey = parse_key(vkey, &[SignatureType::CosignatureV1, SignatureType::MlDsa44])?;
        check_new_key(&vkey, self.witnesses.iter().map(|witness| &witness.vkey))?;
        self.define(name, Member::Witness(self.witnesses.len()))?;
        self.witnesses.push(PolicyWitness { name: name.to_owned(), vkey, url });
        check_count(self.witnesses.len())
    }

    fn group(&mut self, words: &[&str]) -> Result<(), Reason> {
        let [name, threshold, names @ ..] = words else { return Err(Reason::Words) };
        if names.is_empty() {
            return Err(Reason::Words);
        }
        let threshold = match *threshold {
            "any" => 1,
            "all" => names.len(),
            k => parse_decimal(k).and_then(|k| usize::try_from(k).ok()).ok_or(Reason::Threshold)?,
        };
        if !(1..=names.len()).contains(&threshold) {
            return Err(Reason::Threshold);
        }
        let members = names.iter().map(|name| self.take_member(name)).collect::<Result<Vec<_>, _>>()?;
        self.define(name, Member::Group(self.groups.len()))?;
        self.groups.push(Group { name: (*name).to_owned(), threshold, members });
        check_count(self.groups.len())
    }

    fn quorum(&mut self, words: &[&str]) -> Result<(), Reason> {
        let [name] = words else { return Err(Reason::Words) };
        if self.quorum.is_some() {
            return Err(Reason::SecondQuorum);
        }
        let member = match *name {
            NONE => None,
            name => Some(self.names.get(name).ok_or(Reason::UnknownName)?.member),
        };
        self.quorum = Some(member);
        Ok(())
    }

    fn define(&mut self, name: &str, member: Member) -> Result<(), Reason> {
        if name == NONE || self.names.contains_key(name) {
            return Err(Reason::DuplicateName);
        }
        self.names.insert(name.to_owned(), Name { member, in_group: false });
        Ok(())
    }

    /// A member belongs to one group, once: so each witness counts in only one way.
    fn take_member(&mut self, name: &str) -> Result<Member, Reason> {
        let name = self.names.get_mut(name).ok_or(Reason::UnknownName)?;
        if std::mem::replace(&mut name.in_group, true) {
            return Err(Reason::MemberTwice);
        }
        Ok(name.member)
    }

    fn finish(self) -> Result<Policy, Reason> {
        let quorum = self.quorum.ok_or(Reason::NoQuorum)?;
        Ok(Policy { logs: self.logs, witnesses: self.witnesses, groups: self.groups, quorum })
    }
}

fn parse_key(text: &str, allowed: &[SignatureType]) -> Result<Vkey, Reason> {
    let vkey = Vkey::parse(text).map_err(Reason::Vkey)?;
    let ty = vkey.signature_type();
    if allowed.contains(&ty) { Ok(vkey) } else { Err(Reason::KeyType { ty }) }
}

/// Keys are duplicates by their public key alone: under another name it would count as another signer.
fn check_new_key<'a>(vkey: &Vkey, mut earlier: impl Iterator<Item = &'a Vkey>) -> Result<(), Reason> {
    if earlier.any(|other| other.public_key() == vkey.public_key()) {
        return Err(Reason::DuplicateKey);
    }
    Ok(())
}

fn check_count(count: usize) -> Result<(), Reason> {
    if count > POLICY_ITEMS_MAX { Err(Reason::TooMany) } else { Ok(()) }
}
