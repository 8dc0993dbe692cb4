// SPDX-License-Identifier: GPL-2.0

//! POSIX ACLs as extended attributes have them: `linux/posix_acl_xattr.h`.

use std::fmt::Write;

use rustix::io::Errno;

use crate::errno::SyscallResult;

/// The name of the access ACL.
pub const ACCESS: &str = "system.posix_acl_access";
/// The name of the default ACL of a directory.
pub const DEFAULT: &str = "system.posix_acl_default";

/// An entry: tag, permissions, id.
pub type Entry = (u16, u16, u32);

/// The tag of the owner.
pub const USER_OBJ: u16 = 0x01;
/// The tag of a named user.
pub const USER: u16 = 0x02;
/// The tag of the owning group.
pub const GROUP_OBJ: u16 = 0x04;
/// The tag of a named group.
pub const GROUP: u16 = 0x08;
/// The tag of the mask.
pub const MASK: u16 = 0x10;
/// The tag of others.
pub const OTHER: u16 = 0x20;
/// The id of entries without one.
pub const NO_ID: u32 = u32::MAX;

/// The only version of the format.
const VERSION: u32 = 2;

/// Encodes an ACL. Does not check it.
pub fn encode(entries: &[Entry]) -> Vec<u8> {
    let mut value = VERSION.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        value.extend(tag.to_le_bytes());
        value.extend(permissions.to_le_bytes());
        value.extend(id.to_le_bytes());
    }
    value
}

/// Encodes an ACL with the permissions of the owner, one named user or group, the mask and others.
pub fn with_entry(owner: u16, entry: Entry, mask: u16, other: u16) -> Vec<u8> {
    let mut entries = [
        (USER_OBJ, owner, NO_ID),
        (GROUP_OBJ, 0, NO_ID),
        entry,
        (MASK, mask, NO_ID),
        (OTHER, other, NO_ID),
    ];
    entries.sort_by_key(|(tag, ..)| *tag);
    encode(&entries)
}

/// Decodes an ACL. Fails with `EINVAL` if its version or its length is wrong.
pub fn decode(value: &[u8]) -> SyscallResult<Vec<Entry>> {
    let (version, entries) = value.split_first_chunk().ok_or(Errno::INVAL)?;
    if u32::from_le_bytes(*version) != VERSION || entries.len() % 8 != 0 {
        return Err(Errno::INVAL);
    }
    let entry = |bytes: &[u8]| {
        let half = |at| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let id = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
        (half(0), half(2), id)
    };
    Ok(entries.chunks_exact(8).map(entry).collect())
}

/// Returns the id of the first entry with a tag. Fails with `ENODATA` if there is none.
pub fn id(value: &[u8], tag: u16) -> SyscallResult<u32> {
    let mut ids = decode(value)?.into_iter().filter(|entry| entry.0 == tag);
    ids.next().map(|(.., id)| id).ok_or(Errno::NODATA)
}

/// Formats an ACL in few characters, such as `u:6,u:1000:7,g:4,m:7,o:4`.
pub fn show(value: &[u8]) -> String {
    let Ok(entries) = decode(value) else {
        return hexadecimal(value);
    };
    let mut text = String::new();
    for (tag, permissions, id) in entries {
        let name = match tag {
            USER_OBJ | USER => "u",
            GROUP_OBJ | GROUP => "g",
            MASK => "m",
            OTHER => "o",
            _ => "?",
        };
        let separator = if text.is_empty() { "" } else { "," };
        // A write to a string does not fail.
        let _ = match tag {
            USER | GROUP => write!(text, "{separator}{name}:{}:{permissions}", id as i32),
            _ => write!(text, "{separator}{name}:{permissions}"),
        };
    }
    text
}

/// Formats bytes in hexadecimal.
pub fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = "0x".to_owned();
    for byte in bytes {
        // A write to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_reverses_encoding() {
        let value = with_entry(6, (USER, 7, 1000), 7, 4);
        let entries = [
            (USER_OBJ, 6, NO_ID),
            (USER, 7, 1000),
            (GROUP_OBJ, 0, NO_ID),
            (MASK, 7, NO_ID),
            (OTHER, 4, NO_ID),
        ];
        assert_eq!(decode(&value), Ok(entries.to_vec()));
        assert_eq!(id(&value, USER), Ok(1000));
        assert_eq!(id(&value, GROUP), Err(Errno::NODATA));
        assert_eq!(show(&value), "u:6,u:1000:7,g:0,m:7,o:4");
    }

    #[test]
    fn malformed_acl_is_shown_in_hexadecimal() {
        assert_eq!(decode(&[2, 0, 0]), Err(Errno::INVAL));
        assert_eq!(decode(&[3, 0, 0, 0]), Err(Errno::INVAL));
        assert_eq!(decode(&[2, 0, 0, 0, 1]), Err(Errno::INVAL));
        assert_eq!(show(&[2, 0, 0, 0, 1]), "0x0200000001");
    }
}
