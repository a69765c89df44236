//! Random values, drawn from the entropy of the call. Each purpose has bytes of its own.

use punchcard_sdk::{Context, Error};

/// What an id is drawn for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    /// A mark.
    Mark,
    /// A tab.
    Tab,
    /// The first of some new columns.
    Column,
}

/// A positive id of 31 bits. That of a mark is even and that of a column odd, as those of guards are.
///
/// # Errors
/// [`Error::Other`] when the host gave no entropy: an id that is not random could be one that was used before.
pub(crate) fn id(purpose: Purpose, context: &Context) -> Result<i32, Error> {
    let start = match purpose {
        Purpose::Mark => 0,
        Purpose::Tab => 4,
        Purpose::Column => 8,
    };
    let bytes = context.entropy.get(start..start + 4).and_then(|bytes| bytes.try_into().ok());
    let bits = u32::from_le_bytes(bytes.ok_or_else(too_little)?) & 0x7fff_ffff;
    let id = i32::try_from(bits).unwrap_or(i32::MAX);
    Ok(match purpose {
        Purpose::Mark => (id & !1).max(2),
        Purpose::Tab => id.max(1),
        Purpose::Column => id | 1,
    })
}

/// 96 bits as text.
///
/// # Errors
/// [`Error::Other`] when the host gave no entropy.
pub(crate) fn nonce(context: &Context) -> Result<String, Error> {
    let bytes = context.entropy.get(12..24).ok_or_else(too_little)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn too_little() -> Error {
    Error::Other("the call's context has fewer than 32 bytes of entropy".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::context;

    fn with(entropy: Vec<u8>) -> Context {
        Context { entropy, ..context() }
    }

    #[test]
    fn ids_are_positive_and_each_from_its_own_bytes() {
        let counted = with((0..32).collect());
        assert_eq!(id(Purpose::Mark, &counted).unwrap(), 0x0302_0100);
        assert_eq!(id(Purpose::Tab, &counted).unwrap(), 0x0706_0504);
        assert_eq!(id(Purpose::Column, &counted).unwrap(), 0x0b0a_0909);
        assert_eq!(nonce(&counted).unwrap(), "0c0d0e0f1011121314151617");
        for (purpose, most, least) in
            [(Purpose::Mark, i32::MAX - 1, 2), (Purpose::Tab, i32::MAX, 1), (Purpose::Column, i32::MAX, 1)]
        {
            assert_eq!(id(purpose, &with(vec![0xff; 32])).unwrap(), most, "{purpose:?}");
            assert_eq!(id(purpose, &with(vec![0; 32])).unwrap(), least, "{purpose:?}");
        }
    }

    #[test]
    fn without_entropy_there_is_no_id() {
        assert!(id(Purpose::Mark, &with(vec![7; 3])).is_err());
        assert!(nonce(&with(vec![7; 23])).is_err());
    }
}
