//! Entry bundles: the entries below one level-0 tile, each behind its length.

use super::is_width;

/// Most bytes of one entry: its length is a u16 in the bundle.
pub const ENTRY_BYTES_MAX: usize = 65_535;

/// Why bytes are not a bundle, or an entry does not fit into one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// The width asked for is not 1 to 256.
    #[error("a bundle holds 1 to 256 entries, not {width}")]
    Width {
        /// Width asked for.
        width: u16,
    },
    /// The entry is longer than a u16 can say.
    #[error("an entry of {got} bytes is over the limit of {ENTRY_BYTES_MAX}")]
    EntryTooLong {
        /// Bytes of the entry.
        got: usize,
    },
    /// The bytes end inside an entry or before the last one.
    #[error("the bundle ends in entry {entry} of {width}")]
    Truncated {
        /// Which entry, from 0.
        entry: u16,
        /// Width asked for.
        width: u16,
    },
    /// Bytes follow the last entry.
    #[error("{extra} bytes follow the last entry of the bundle")]
    Trailing {
        /// How many.
        extra: usize,
    },
}

/// Appends one entry to a growing bundle.
pub fn push_bundle_entry(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), BundleError> {
    let length = u16::try_from(entry.len()).map_err(|_| BundleError::EntryTooLong { got: entry.len() })?;
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
    Ok(())
}

/// The entries of a bundle of exactly `width` entries.
pub fn parse_bundle(bytes: &[u8], width: u16) -> Result<Vec<&[u8]>, BundleError> {
    if !is_width(width) {
        return Err(BundleError::Width { width });
    }
    let mut entries = Vec::with_capacity(usize::from(width));
    let mut rest = bytes;
    for entry in 0..width {
        let truncated = BundleError::Truncated { entry, width };
        let (length, after) = rest.split_first_chunk::<2>().ok_or(truncated)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (bytes, after) = after.split_at_checked(length).ok_or(truncated)?;
        entries.push(bytes);
        rest = after;
    }
    if rest.is_empty() { Ok(entries) } else { Err(BundleError::Trailing { extra: rest.len() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_read_back() {
        let longest = vec![9; ENTRY_BYTES_MAX];
        let mut bundle = Vec::new();
        for entry in [&b""[..], b"a", &longest] {
            push_bundle_entry(&mut bundle, entry).expect("fits");
        }
        assert_eq!(parse_bundle(&bundle, 3), Ok(vec![&b""[..], b"a", &longest]));
        assert_eq!(parse_bundle(&bundle, 2), Err(BundleError::Trailing { extra: ENTRY_BYTES_MAX + 2 }));
        assert_eq!(parse_bundle(&bundle, 4), Err(BundleError::Truncated { entry: 3, width: 4 }));
        let cut = &bundle[..bundle.len() - 1];
        assert_eq!(parse_bundle(cut, 3), Err(BundleError::Truncated { entry: 2, width: 3 }));
        assert_eq!(parse_bundle(&[], 0), Err(BundleError::Width { width: 0 }));
        let too_long = vec![0; ENTRY_BYTES_MAX + 1];
        assert_eq!(
            push_bundle_entry(&mut bundle, &too_long),
            Err(BundleError::EntryTooLong { got: ENTRY_BYTES_MAX + 1 })
        );
    }
}
