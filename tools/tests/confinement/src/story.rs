// SPDX-License-Identifier: GPL-2.0

//! A counterexample in words.

use crate::{
    effects::Effect,
    ids::{NONE, each},
    model::{Target, World, id_words},
    world::{Cred, Inode, Mount},
};
use kernel::fs::permission::CapsRoot;
use std::fmt::Write as _;

/// Tells a counterexample.
pub fn tell(world: &World, new: &Mount, target: &Target, cred: &Cred, effect: Effect) -> String {
    let setup = &world.setup;
    let mut story = String::new();
    let mut say = |sentence: String| {
        let _ = writeln!(story, "  {sentence}");
    };
    say(format!("There are the ids 0 to {}.", setup.count - 1));
    for (kind, old, own, map) in [
        (
            "Users",
            setup.shown.as_ref().map(|maps| &maps.users),
            &setup.own.users,
            &setup.map.users,
        ),
        (
            "Groups",
            setup.shown.as_ref().map(|maps| &maps.groups),
            &setup.own.groups,
            &setup.map.groups,
        ),
    ] {
        let old = old.map_or("is not idmapped".to_owned(), |map| {
            format!("shows: on disk {}", map.words())
        });
        say(format!(
            "{kind}: the old mount {old}. In N {}. In M {}.",
            own.words(),
            map.words()
        ));
    }
    if !setup.below {
        say("M is not below N.".to_owned());
    }
    if !setup.setgroups {
        say(format!(
            "N denies setgroups(); its processes stay in the groups {}.",
            id_words(setup.outside_groups, setup.count)
        ));
    }
    match setup.weak {
        None => say("Root of N makes the new mount, with the namespace M.".to_owned()),
        Some((uid, gid)) => say(format!(
            "A process of N with the user {uid} and the group {gid}, which has CAP_SYS_ADMIN over \
             N and no other capability, makes the new mount, with the namespace M."
        )),
    }
    match new {
        Mount::Nop => say("The new mount is not idmapped.".to_owned()),
        Mount::Idmapped(maps) => say(format!(
            "The new mount shows users: on disk {}; groups: on disk {}.",
            maps.users.words(),
            maps.groups.words()
        )),
    }
    for sentence in inodes(target) {
        say(sentence);
    }
    let extra: Vec<String> = each(cred.groups & !(1 << cred.gid))
        .map(|id| id.to_string())
        .collect();
    let who = format!(
        "user {}, group {}{}, in {}, {}",
        cred.uid,
        cred.gid,
        match extra.is_empty() {
            true => String::new(),
            false => format!(" (also in {})", extra.join(", ")),
        },
        cred.ns.name,
        match cred.capabilities.count_ones() {
            0 => "without capabilities",
            1 => "with CAP_SYS_ADMIN",
            _ => "with all capabilities",
        }
    );
    say(format!("Through the new mount, {who} can {effect}."));
    say("Through the old mount nobody of them can.".to_owned());
    story
}

fn inodes(target: &Target) -> Vec<String> {
    let names: &[&str] = match target {
        Target::Permissions(_) | Target::Inode(_) => &["The inode"],
        Target::Directory(..) => &["The directory", "The inode in it"],
        Target::Rename(_) => &[
            "The first directory",
            "The inode in it",
            "The second directory",
            "The inode that is replaced",
        ],
    };
    names
        .iter()
        .zip(target.inodes())
        .map(|(name, inode)| describe(name, inode))
        .collect()
}

fn describe(name: &str, inode: &Inode) -> String {
    let kind = match inode.mode & 0o170000 {
        0o040000 => "a directory",
        _ => "a file",
    };
    let mut text = format!(
        "{name} is {kind}: on disk owner {}, group {}, mode {:04o}",
        inode.uid,
        inode.gid,
        inode.mode & 0o7777
    );
    if !inode.named.is_empty() {
        let _ = write!(text, ", ACL: its group {}", inode.group_perm);
    }
    for (group, perm, id) in &inode.named {
        let kind = if *group { "group" } else { "user" };
        let _ = write!(text, ", {kind} {id} {perm}");
    }
    if let Some(caps) = inode.caps {
        let root = match caps.0 {
            CapsRoot::V3(root) => root.map_or(NONE, |root| root.get()),
            _ => 0,
        };
        let _ = write!(text, ", capabilities for the root {root}");
    }
    text + "."
}
