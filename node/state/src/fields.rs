//! The bytes of the parts that values are made of, and values declared as lists of such parts.

use ledger_format::record::{
    AgentId, DatasetId, DelegationId, Kid, ModelId, PolicyId, ReceiptId, RecordHash, Scope, TenantId, ToolId,
    Ulid, WorkflowId,
};

use crate::codec::{DecodeError, Decoder, Encoder};

/// Most items of a list inside a value: far above any limit of a record, so that damaged bytes allocate little.
const ITEMS_MAX: usize = 100_000;

/// A part of a value, with one spelling in bytes.
pub(crate) trait Part: Sized {
    fn write(&self, e: &mut Encoder);
    fn read(d: &mut Decoder<'_>) -> Result<Self, DecodeError>;
}

impl Part for u64 {
    fn write(&self, e: &mut Encoder) {
        e.integer(*self);
    }

    fn read(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.integer()
    }
}

impl Part for bool {
    fn write(&self, e: &mut Encoder) {
        e.byte((*self).into());
    }

    fn read(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.flag()
    }
}

impl Part for String {
    fn write(&self, e: &mut Encoder) {
        e.text(self);
    }

    fn read(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.text()
    }
}

impl Part for [u8; 32] {
    fn write(&self, e: &mut Encoder) {
        e.fixed(self);
    }

    fn read(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.fixed()
    }
}

impl Part for Scope {
    fn write(&self, e: &mut Encoder) {
        e.text(self.as_str());
    }

    fn read(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Scope::parse(&d.text()?).ok_or(DecodeError::Invalid("scope"))
    }
}

impl Part for Kid {
    fn write(&self, e: &mut Encoder) {
        e.fixed(&self.0);
    }

    fn read(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.fixed().map(Kid)
    }
}

impl Part for RecordHash {
    fn write(&self, e: &mut Encoder) {
        e.fixed(&self.0);
    }

    fn read(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.fixed().map(RecordHash)
    }
}

impl Part for Ulid {
    fn write(&self, e: &mut Encoder) {
        e.fixed(&self.to_bytes());
    }

    fn read(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.fixed().map(Ulid::from_bytes)
    }
}

macro_rules! id_parts {
    ($($id:ident),+ $(,)?) => {$(
        impl Part for $id {
            fn write(&self, e: &mut Encoder) {
                self.0.write(e);
            }

            fn read(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
                Ulid::read(d).map($id)
            }
        }
    )+};
}
id_parts!(AgentId, DatasetId, DelegationId, ModelId, PolicyId, ReceiptId, TenantId, ToolId, WorkflowId);

impl<T: Part> Part for Option<T> {
    fn write(&self, e: &mut Encoder) {
        e.byte(self.is_some().into());
        if let Some(value) = self {
            value.write(e);
        }
    }

    fn read(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        if d.flag()? { T::read(d).map(Some) } else { Ok(None) }
    }
}

impl<T: Part> Part for Vec<T> {
    fn write(&self, e: &mut Encoder) {
        e.integer(self.len() as u64);
        self.iter().for_each(|item| item.write(e));
    }

    fn read(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let count = d.count(ITEMS_MAX)?;
        (0..count).map(|_| T::read(d)).collect()
    }
}

impl<A: Part, B: Part> Part for (A, B) {
    fn write(&self, e: &mut Encoder) {
        self.0.write(e);
        self.1.write(e);
    }

    fn read(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok((A::read(d)?, B::read(d)?))
    }
}

/// A word enum of the format as a part: its place in `ALL`, which only ever grows at its end.
macro_rules! word_parts {
    ($($word:ident),+ $(,)?) => {$(
        impl $crate::fields::Part for $word {
            fn write(&self, e: &mut $crate::codec::Encoder) {
                e.integer($word::ALL.iter().position(|word| word == self).unwrap_or_default() as u64);
            }

            fn read(d: &mut $crate::codec::Decoder<'_>) -> Result<Self, $crate::DecodeError> {
                let place = usize::try_from(d.integer()?).unwrap_or(usize::MAX);
                $word::ALL.get(place).copied().ok_or($crate::DecodeError::Invalid("word"))
            }
        }
    )+};
}
pub(crate) use word_parts;

/// Declares a value (or, with `part`, a part of values): a struct whose bytes are its fields in order.
macro_rules! value {
    (part $(#[$doc:meta])* $vis:vis $name:ident { $($(#[$fdoc:meta])* $field:ident: $type:ty,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        $vis struct $name { $($(#[$fdoc])* $vis $field: $type),+ }

        impl $crate::fields::Part for $name {
            fn write(&self, e: &mut $crate::codec::Encoder) {
                $($crate::fields::Part::write(&self.$field, e);)+
            }

            fn read(d: &mut $crate::codec::Decoder<'_>) -> Result<Self, $crate::DecodeError> {
                Ok(Self { $($field: $crate::fields::Part::read(d)?),+ })
            }
        }
    };
    ($(#[$doc:meta])* $vis:vis $name:ident { $($(#[$fdoc:meta])* $field:ident: $type:ty,)+ }) => {
        $crate::fields::value! { part $(#[$doc])* $vis $name { $($(#[$fdoc])* $field: $type,)+ } }

        impl $crate::values::Value for $name {
            fn encode(&self) -> Vec<u8> {
                let mut e = $crate::codec::Encoder::new($crate::values::VERSION, 128);
                $crate::fields::Part::write(self, &mut e);
                e.finish()
            }

            fn decode(bytes: &[u8]) -> Result<Self, $crate::DecodeError> {
                let mut d = $crate::codec::Decoder::new(bytes, $crate::values::VERSION)?;
                let value = <Self as $crate::fields::Part>::read(&mut d)?;
                d.finish()?;
                Ok(value)
            }
        }
    };
}
pub(crate) use value;

#[cfg(test)]
mod tests {
    use crate::values::Value as _;

    use super::*;

    value! {
        /// One of everything.
        pub(crate) Sample {
            /// A number.
            number: u64,
            /// A list in an option.
            list: Option<Vec<(u64, Scope)>>,
            /// An id.
            id: AgentId,
        }
    }

    #[test]
    fn a_value_comes_back_and_nothing_else_is_read() {
        let scope = Scope::parse("a:b").unwrap();
        let sample = Sample { number: 300, list: Some(vec![(1, scope)]), id: AgentId(Ulid(5)) };
        let bytes = sample.encode();
        assert_eq!(Sample::decode(&bytes), Ok(sample));
        assert!((0..bytes.len()).all(|end| Sample::decode(&bytes[..end]).is_err()));
        assert_eq!(Sample::decode(&[&bytes[..], &[0]].concat()), Err(DecodeError::Trailing));
    }
}
