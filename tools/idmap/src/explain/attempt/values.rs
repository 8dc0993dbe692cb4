// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Values of attributes that a trial sets.

use kernel::fs::permission::Tag;

use super::super::{AclEntry, attributes, view::raw};

/// The ACL that is set, in the form of an attribute.
pub(super) fn acl(entry: AclEntry) -> Vec<u8> {
    let mut value = 2u32.to_le_bytes().to_vec();
    for entry in attributes::acl(entry) {
        let (tag, id): (u16, _) = match entry.tag {
            Tag::UserObj => (0x01, u32::MAX),
            Tag::User(user) => (0x02, raw(user)),
            Tag::GroupObj => (0x04, u32::MAX),
            Tag::Group(group) => (0x08, raw(group)),
            Tag::Mask => (0x10, u32::MAX),
            Tag::Other | Tag::Unknown => (0x20, u32::MAX),
        };
        value.extend_from_slice(&tag.to_le_bytes());
        value.extend_from_slice(&entry.perm.to_le_bytes());
        value.extend_from_slice(&id.to_le_bytes());
    }
    value
}

/// `struct vfs_cap_data` or `struct vfs_ns_cap_data` of `linux/capability.h`: CAP_NET_RAW.
pub(super) fn caps(root: Option<u32>) -> Vec<u8> {
    const NET_RAW: u32 = 1 << 13;
    let revision: u32 = if root.is_some() {
        0x0300_0000
    } else {
        0x0200_0000
    };
    let words = [revision, NET_RAW, 0, 0, 0];
    let words = words.into_iter().chain(root);
    words.flat_map(u32::to_le_bytes).collect()
}
