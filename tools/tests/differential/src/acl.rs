// SPDX-License-Identifier: GPL-2.0

//! POSIX ACLs and file capabilities, as extended attributes have them.

use std::fmt::Write;

use crate::rng::Rng;

/// The attribute of a file's ACL.
pub(crate) const ACCESS: &str = "system.posix_acl_access";
/// The attribute of the ACL that is given to what is made in a directory.
pub(crate) const DEFAULT: &str = "system.posix_acl_default";
/// The attribute of a file's capabilities.
pub(crate) const CAPABILITY: &str = "security.capability";

/// The tags of `linux/posix_acl.h`, and what getfacl(1) calls them.
const TAGS: [(u16, &str); 6] = [
    (0x01, "u"),
    (0x02, "u"),
    (0x04, "g"),
    (0x08, "g"),
    (0x10, "m"),
    (0x20, "o"),
];
/// Those that name somebody.
const NAMED: [u16; 2] = [0x02, 0x08];
const VERSION: u32 = 2;
const NOBODY: u32 = u32::MAX;

/// The permissions that ACLs give.
const ANY: [u16; 8] = [0, 1, 3, 4, 5, 6, 7, 7];
/// Those of directories in which something can happen.
const WIDE: [u16; 8] = [1, 3, 5, 5, 7, 7, 7, 7];

/// An ACL that names some of these users and groups; now and then one that is not valid.
pub(crate) fn random(rng: &mut Rng, users: &[u32], groups: &[u32]) -> Vec<u8> {
    with(rng, users, groups, &ANY)
}

/// The same with more permissions.
pub(crate) fn wide(rng: &mut Rng, users: &[u32], groups: &[u32]) -> Vec<u8> {
    with(rng, users, groups, &WIDE)
}

fn with(rng: &mut Rng, users: &[u32], groups: &[u32], permissions: &[u16]) -> Vec<u8> {
    let mut users = rng.shuffled(users);
    users.truncate(rng.below(3));
    users.sort_unstable();
    let mut groups = rng.shuffled(groups);
    groups.truncate(rng.below(3));
    groups.sort_unstable();
    let mut entries = vec![(0x01, NOBODY)];
    entries.extend(users.iter().map(|&user| (0x02, user)));
    entries.push((0x04, NOBODY));
    entries.extend(groups.iter().map(|&group| (0x08, group)));
    let needs_mask = !users.is_empty() || !groups.is_empty();
    if needs_mask && !rng.chance(4) {
        entries.push((0x10, NOBODY));
    }
    entries.push((0x20, NOBODY));
    if rng.chance(3) {
        entries.remove(0);
    }
    let mut value = VERSION.to_le_bytes().to_vec();
    for (tag, id) in entries {
        let permissions = rng.pick(permissions);
        value.extend(u16::to_le_bytes(tag));
        value.extend(permissions.to_le_bytes());
        value.extend(u32::to_le_bytes(id));
    }
    value
}

/// An ACL in short.
pub(crate) fn show(value: &[u8]) -> String {
    let Some((version, entries)) = value.split_first_chunk::<4>() else {
        return hexadecimal(value);
    };
    let mut text = String::new();
    if u32::from_le_bytes(*version) != VERSION {
        let _ = write!(text, "version {}:", u32::from_le_bytes(*version));
    }
    for entry in entries.chunks(8) {
        let &[t0, t1, p0, p1, i0, i1, i2, i3] = entry else {
            return hexadecimal(value);
        };
        let tag = u16::from_le_bytes([t0, t1]);
        let name = TAGS.iter().find(|(it, _)| *it == tag);
        let name = name.map_or("?", |(_, name)| name);
        let permissions = u16::from_le_bytes([p0, p1]);
        let _ = write!(text, "{}{name}:", if text.is_empty() { "" } else { "," });
        if NAMED.contains(&tag) {
            let _ = write!(text, "{}:", u32::from_le_bytes([i0, i1, i2, i3]) as i32);
        }
        let _ = write!(text, "{permissions}");
    }
    text
}

/// File capabilities: of any root user (the second version), or of one's namespaces only.
pub(crate) fn capability(rng: &mut Rng, roots: &[u32]) -> Vec<u8> {
    const EFFECTIVE: u32 = 1;
    let version = rng.pick(&[0x0200_0000, 0x0200_0000, 0x0300_0000]);
    let effective = if rng.chance(70) { EFFECTIVE } else { 0 };
    // CAP_CHOWN and CAP_DAC_OVERRIDE, permitted, and nothing inheritable.
    let mut words = vec![version | effective, 3, 0, 0, 0];
    if version == 0x0300_0000 {
        words.push(rng.pick(roots));
    }
    if rng.chance(2) {
        words.pop();
    }
    words.into_iter().flat_map(u32::to_le_bytes).collect()
}

/// Bytes as digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = "0x".to_owned();
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The value of an attribute in short.
pub(crate) fn show_attribute(name: &str, value: &[u8]) -> String {
    if name == ACCESS || name == DEFAULT {
        return show(value);
    }
    hexadecimal(value)
}
