// SPDX-License-Identifier: GPL-2.0

//! File capabilities as the extended attribute has them: `struct vfs_ns_cap_data`.

use rustix::io::Errno;

use crate::errno::SyscallResult;

/// The name of the extended attribute.
pub const NAME: &str = "security.capability";
/// `CAP_NET_RAW`, as a bit.
pub const NET_RAW: u32 = 1 << 13;

/// `VFS_CAP_REVISION_2`: without a root id.
pub const REVISION_2: u32 = 0x0200_0000;
/// `VFS_CAP_REVISION_3`: with a root id.
pub const REVISION_3: u32 = 0x0300_0000;
/// `VFS_CAP_FLAGS_EFFECTIVE`.
pub const EFFECTIVE: u32 = 1;

/// Encodes permitted capabilities that become effective, for user namespaces with this root id, or
/// for all.
pub fn encode(permitted: u32, root: Option<u32>) -> Vec<u8> {
    let revision = root.map_or(REVISION_2, |_| REVISION_3);
    let words = [revision | EFFECTIVE, permitted, 0, 0, 0];
    let words = words.into_iter().chain(root);
    words.flat_map(u32::to_le_bytes).collect()
}

/// Returns the root id, or [`None`] for capabilities without one. Fails with `EINVAL` if the length
/// of the value is not that of its revision.
pub fn root_id(value: &[u8]) -> SyscallResult<Option<u32>> {
    let mut words = value.chunks_exact(4).map(|word| {
        let word = [word[0], word[1], word[2], word[3]];
        u32::from_le_bytes(word)
    });
    let revision = words.next().unwrap_or_default() & !EFFECTIVE;
    match (revision, value.len()) {
        (REVISION_2, 20) => Ok(None),
        (REVISION_3, 24) => Ok(words.next_back()),
        _ => Err(Errno::INVAL),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_id_is_that_of_the_encoding() {
        assert_eq!(root_id(&encode(NET_RAW, None)), Ok(None));
        assert_eq!(root_id(&encode(NET_RAW, Some(1000))), Ok(Some(1000)));
        assert_eq!(root_id(&encode(NET_RAW, None)[..19]), Err(Errno::INVAL));
        assert_eq!(root_id(&[]), Err(Errno::INVAL));
    }
}
