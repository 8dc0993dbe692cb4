// SPDX-License-Identifier: GPL-2.0

//! Random POSIX ACLs and file capabilities.

use kselftest::{acl, fscaps, rng::Rng};

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
    let mut tags = vec![(acl::USER_OBJ, acl::NO_ID)];
    tags.extend(users.iter().map(|&user| (acl::USER, user)));
    tags.push((acl::GROUP_OBJ, acl::NO_ID));
    tags.extend(groups.iter().map(|&group| (acl::GROUP, group)));
    let needs_mask = !users.is_empty() || !groups.is_empty();
    if needs_mask && !rng.chance(4) {
        tags.push((acl::MASK, acl::NO_ID));
    }
    tags.push((acl::OTHER, acl::NO_ID));
    if rng.chance(3) {
        tags.remove(0);
    }
    let entries: Vec<acl::Entry> = tags
        .into_iter()
        .map(|(tag, id)| (tag, rng.pick(permissions), id))
        .collect();
    acl::encode(&entries)
}

/// File capabilities: of any root user (the second version), or of one's namespaces only.
pub(crate) fn capability(rng: &mut Rng, roots: &[u32]) -> Vec<u8> {
    let version = rng.pick(&[fscaps::REVISION_2, fscaps::REVISION_2, fscaps::REVISION_3]);
    let effective = if rng.chance(70) { fscaps::EFFECTIVE } else { 0 };
    // CAP_CHOWN and CAP_DAC_OVERRIDE, permitted, and nothing inheritable.
    let mut words = vec![version | effective, 3, 0, 0, 0];
    if version == fscaps::REVISION_3 {
        words.push(rng.pick(roots));
    }
    if rng.chance(2) {
        words.pop();
    }
    words.into_iter().flat_map(u32::to_le_bytes).collect()
}

/// The value of an attribute in short.
pub(crate) fn show_attribute(name: &str, value: &[u8]) -> String {
    if [acl::ACCESS, acl::DEFAULT].contains(&name) {
        return acl::show(value);
    }
    acl::hexadecimal(value)
}
