// SPDX-License-Identifier: GPL-2.0

//! The claim: through the new mount no credential has an effect that none has through the old one.

use crate::{
    effects::{At, Effect, Effects},
    ids::{Ids, MAX_IDS, Map, all_below, each},
    world::{ALL_CAPABILITIES, Cred, Inode, Maps, Mount, Ns},
};
use kernel::fs::permission::{Capability, NoNesting, may_nest};
use std::rc::Rc;

/// A condition of the rule that can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Condition {
    /// The user namespace of the idmap is the caller's, or below it.
    Below,
    /// The caller has all file capabilities over its user namespace, not `CAP_SYS_ADMIN` alone.
    Capabilities,
    /// The caller's user namespace allows `setgroups()`.
    Setgroups,
    /// The caller's user namespace has more users than an inode can name.
    Users,
    /// The caller's user namespace has more groups than an inode can name.
    Groups,
    /// The idmap composes with that of the mount, and does not replace it.
    Compose,
    /// An idmap is not removed.
    Clear,
    /// Programs of the new mount give no privileges to processes of the initial namespace. The kernel
    /// has this condition without the rule: `mnt_may_suid()` requires that the mount is in the mount
    /// namespace of the process, and to attach it there requires `CAP_SYS_ADMIN`.
    MaySuid,
}

impl Condition {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Below,
        Self::Capabilities,
        Self::Setgroups,
        Self::Users,
        Self::Groups,
        Self::Compose,
        Self::Clear,
        Self::MaySuid,
    ];
}

/// A process outside of the caller's namespace that uses the new mount, too.
#[derive(Clone, Debug)]
pub struct Accomplice {
    /// Its user id.
    pub uid: u32,
    /// Its groups, the first of which is its group id.
    pub groups: Ids,
    /// The namespace that it is root of. Without one it is a user of the initial namespace.
    pub root_of: Option<Maps>,
}

/// What a world is made of.
#[derive(Clone, Debug)]
pub struct Setup {
    /// How many ids there are.
    pub count: u32,
    /// The maps of the filesystem's namespace, from its ids to kernel ids.
    pub fs: Maps,
    /// What the old mount shows, from ids of the filesystem to kernel ids. Without: not idmapped.
    pub shown: Option<Maps>,
    /// The maps of the caller's namespace, from its ids to kernel ids.
    pub own: Maps,
    /// The maps of the namespace of the idmap, from its ids to kernel ids.
    pub map: Maps,
    /// Whether the namespace of the idmap is below the caller's.
    pub below: bool,
    /// Whether the caller's namespace allows `setgroups()`.
    pub setgroups: bool,
    /// The groups that the caller has from outside of its namespace.
    pub outside_groups: Ids,
    /// The ids of a caller that has `CAP_SYS_ADMIN` alone. Without: the caller is root.
    pub weak: Option<(u32, u32)>,
    /// Another process.
    pub accomplice: Option<Accomplice>,
    /// The most ids of one kind that an inode of this world names.
    pub max_named: u64,
}

impl Setup {
    /// Makes a world in which the rule holds but for the number of ids.
    pub fn new(count: u32, shown: Option<Maps>, own: Maps, map: Maps) -> Self {
        let all = Map::identity(count);
        Self {
            count,
            fs: Maps {
                users: all.clone(),
                groups: all,
            },
            shown,
            own,
            map,
            below: true,
            setgroups: true,
            outside_groups: 0,
            weak: None,
            accomplice: None,
            max_named: 0,
        }
    }

    /// Makes the world. A condition may be left out of its rule.
    pub fn world(&self, without: Option<Condition>) -> World {
        let all = Map::identity(MAX_IDS as u32);
        let all = || Maps {
            users: all.clone(),
            groups: all.clone(),
        };
        let ns = |name, maps, parent: &Rc<Ns>| Ns::new(name, maps, Some(parent.clone()));
        let initial = Rc::new(Ns::new("the initial namespace", all(), None));
        let mut own = ns("N", self.own.clone(), &initial);
        own.setgroups = self.setgroups;
        let own = Rc::new(own);
        let parent = if self.below { &own } else { &initial };
        let single = |id| Map::of_pairs(&[(0, id)]);
        let child = match self.weak {
            Some((uid, gid)) => Maps {
                users: single(uid),
                groups: single(gid),
            },
            None => all(),
        };
        let other = self
            .accomplice
            .as_ref()
            .and_then(|other| other.root_of.clone());
        World {
            setup: self.clone(),
            map_of: Rc::new(ns("M", self.map.clone(), parent)),
            child: Rc::new(ns("a namespace of its own id", child, &own)),
            other: other.map(|maps| Rc::new(ns("Q", maps, &initial))),
            fs: Rc::new(ns("the filesystem's namespace", self.fs.clone(), &initial)),
            initial,
            own,
            old: match &self.shown {
                None => Mount::Nop,
                Some(maps) => Mount::Idmapped(Box::new(maps.clone())),
            },
            without,
        }
    }
}

/// A world: namespaces, and a mount.
pub struct World {
    /// What it is made of.
    pub setup: Setup,
    initial: Rc<Ns>,
    own: Rc<Ns>,
    map_of: Rc<Ns>,
    child: Rc<Ns>,
    other: Option<Rc<Ns>>,
    /// The namespace of the filesystem.
    pub fs: Rc<Ns>,
    /// The old mount.
    pub old: Mount,
    without: Option<Condition>,
}

/// One or more inodes that an operation is about.
#[derive(Clone, Debug)]
pub enum Target {
    /// The permissions to an inode.
    Permissions(Inode),
    /// All that can be done to an inode.
    Inode(Inode),
    /// A directory and an inode in it.
    Directory(Inode, Inode),
    /// A rename: directory, inode in it, directory, inode in it.
    Rename([Inode; 4]),
}

impl Target {
    fn add_effects(&self, effects: &mut Effects, at: At<'_>) {
        match self {
            Self::Permissions(inode) => at.permissions(effects, inode),
            Self::Inode(inode) => at.inode(effects, inode),
            Self::Directory(dir, inode) => at.directory(effects, dir, inode),
            Self::Rename([dir, inode, to_dir, target]) => {
                if at.rename((dir, inode), (to_dir, target)) {
                    effects.add(Effect::Rename);
                }
            }
        }
    }

    /// Returns the inodes.
    pub fn inodes(&self) -> Vec<&Inode> {
        match self {
            Self::Permissions(inode) | Self::Inode(inode) => vec![inode],
            Self::Directory(dir, inode) => vec![dir, inode],
            Self::Rename(inodes) => inodes.iter().collect(),
        }
    }
}

impl World {
    /// Returns the new mount, by the kernel's rule, of which a condition may be left out by a false
    /// fact.
    pub fn new_mount(&self) -> Result<Mount, NoNesting> {
        let without = |condition| self.without == Some(condition);
        if without(Condition::Clear) {
            return Ok(Mount::Nop);
        }
        let mut own = Ns::clone(&self.own);
        own.setgroups |= without(Condition::Setgroups);
        if without(Condition::Users) {
            own.counts.0 = u64::MAX;
        }
        if without(Condition::Groups) {
            own.counts.1 = u64::MAX;
        }
        let own = Rc::new(own);
        let mut map_of = Ns::clone(&self.map_of);
        if without(Condition::Below) || self.setup.below {
            map_of.parent = Some(own.clone());
        }
        let mut capabilities = ALL_CAPABILITIES;
        if self.setup.weak.is_some() && !without(Condition::Capabilities) {
            capabilities = 1 << Capability::SysAdmin as i32;
        }
        let caller = Cred {
            ns: own,
            uid: 0,
            gid: 0,
            groups: 0,
            capabilities,
        };
        may_nest(&caller, &map_of, true, self.setup.max_named)?;
        let shown = match &self.old {
            Mount::Nop => &self.setup.fs,
            Mount::Idmapped(maps) => maps,
        };
        let nested = |shown: &Map, own: &Map, map: &Map| match without(Condition::Compose) {
            true => Ok(map.clone()),
            false => Map::nested(shown, own, map),
        };
        let map = &self.setup.map;
        Ok(Mount::Idmapped(Box::new(Maps {
            users: nested(&shown.users, &self.own.maps.users, &map.users)?,
            groups: nested(&shown.groups, &self.own.maps.groups, &map.groups)?,
        })))
    }

    /// Returns the credentials that the caller can reach, the strongest first, and those of the
    /// accomplice.
    pub fn creds(&self) -> Vec<Cred> {
        let mut creds = Vec::new();
        let mut add = |ns: &Rc<Ns>, uid, gid, groups, capabilities| {
            creds.push(Cred {
                ns: ns.clone(),
                uid,
                gid,
                groups,
                capabilities,
            });
        };
        let outside = self.setup.outside_groups;
        match self.setup.weak {
            None => {
                let users = self.own.maps.users.lower_ids();
                let groups = self.own.maps.groups.lower_ids();
                for (ns, capabilities) in [
                    (&self.own, ALL_CAPABILITIES),
                    (&self.map_of, ALL_CAPABILITIES),
                    (&self.own, 0),
                ] {
                    for list in group_lists(groups, self.setup.setgroups, outside) {
                        for gid in each(list & groups) {
                            for uid in each(users) {
                                add(ns, uid, gid, list, capabilities);
                            }
                        }
                    }
                }
            }
            Some((uid, gid)) => {
                let own = 1 << gid | outside;
                add(&self.own, uid, gid, own, 1 << Capability::SysAdmin as i32);
                add(&self.child, uid, gid, own, ALL_CAPABILITIES);
                let users = self.map_of.maps.users.lower_ids();
                let groups = self.map_of.maps.groups.lower_ids();
                for list in group_lists(groups, true, own) {
                    for gid in each(list) {
                        for uid in each(users | 1 << uid) {
                            add(&self.map_of, uid, gid, list, ALL_CAPABILITIES);
                        }
                    }
                }
            }
        }
        if let Some(other) = &self.setup.accomplice {
            let gid = other.groups.trailing_zeros();
            let (ns, capabilities) = match &self.other {
                Some(ns) => (ns, ALL_CAPABILITIES),
                None => (&self.initial, 0),
            };
            add(ns, other.uid, gid, other.groups, capabilities);
        }
        creds
    }

    /// Adds what a process can become by a program that the caller makes.
    ///
    /// A caller that can be a user can make a set-user-id program of that user.
    fn add_identities(&self, effects: &mut Effects) {
        let ids = |ns: &Ns| (ns.maps.users.lower_ids(), ns.maps.groups.lower_ids());
        let (mut users, mut groups) = match self.setup.weak {
            None => ids(&self.own),
            Some((uid, gid)) => {
                let (users, groups) = if self.setup.below {
                    ids(&self.map_of)
                } else {
                    (0, 0)
                };
                (users | 1 << uid, groups | 1 << gid)
            }
        };
        if let Some(other) = &self.setup.accomplice {
            let (more_users, more_groups) = self.other.as_deref().map_or((0, 0), ids);
            users |= more_users | 1 << other.uid;
            groups |= more_groups | other.groups;
        }
        each(users).for_each(|uid| effects.add(Effect::User(uid)));
        each(groups).for_each(|gid| effects.add(Effect::Group(gid)));

        let namespaces = [
            (Some(&self.own), self.setup.weak.is_none()),
            (Some(&self.map_of), self.setup.below),
            (Some(&self.child), true),
            (self.other.as_ref(), true),
        ];
        for (ns, _) in namespaces.into_iter().filter(|(_, is_root)| *is_root) {
            if let Some(ns) = ns {
                effects.add(Effect::Capabilities(ns.name));
            }
        }
    }

    /// Returns credentials at the new mount. It can be in mount namespaces of all user namespaces
    /// but the initial one.
    fn at_new<'a>(&self, cred: &'a Cred, new: &'a Mount) -> At<'a> {
        let may_suid = !Rc::ptr_eq(&self.initial, &cred.ns);
        At::new(
            cred,
            new,
            may_suid || self.without == Some(Condition::MaySuid),
        )
    }

    /// Returns an effect that the new mount gives and the old one does not, if there is one.
    pub fn counterexample(&self, new: &Mount, creds: &[Cred], target: &Target) -> Option<Effect> {
        let mut wanted = Effects::default();
        for cred in creds {
            target.add_effects(&mut wanted, self.at_new(cred, new));
        }
        let mut had = Effects::default();
        self.add_identities(&mut had);
        let mut missing: Vec<Effect> = wanted.iter().filter(|&effect| !had.has(effect)).collect();
        for cred in creds {
            if missing.is_empty() {
                return None;
            }
            had.clear();
            target.add_effects(&mut had, At::new(cred, &self.old, true));
            missing.retain(|&effect| !had.has(effect));
        }
        missing.first().copied()
    }

    /// Tells a counterexample in words.
    pub fn story(&self, new: &Mount, creds: &[Cred], target: &Target, effect: Effect) -> String {
        let by = creds.iter().find(|cred| {
            let mut effects = Effects::default();
            target.add_effects(&mut effects, self.at_new(cred, new));
            effects.has(effect)
        });
        by.map_or_else(String::new, |cred| {
            crate::story::tell(self, new, target, cred, effect)
        })
    }
}

/// Returns the lists of groups that a process can have: those of its namespace, and those of
/// outside, which only `setgroups()` removes.
fn group_lists(groups: Ids, setgroups: bool, outside: Ids) -> Vec<Ids> {
    if !setgroups {
        return each(groups).map(|gid| 1 << gid | outside).collect();
    }
    let some = |list: &Ids| *list != 0 && list.count_ones() <= 3;
    let lists = (1..=groups).filter(|list| list & !groups == 0).filter(some);
    let mut lists: Vec<Ids> = lists.collect();
    if outside != 0 {
        lists.extend(each(groups).map(|gid| 1 << gid | outside));
    }
    lists
}

/// Returns a set of ids as words.
pub fn id_words(ids: Ids, count: u32) -> String {
    if ids & all_below(count) == all_below(count) {
        return "all ids".to_owned();
    }
    let ids: Vec<String> = each(ids).map(|id| id.to_string()).collect();
    match ids.is_empty() {
        true => "no id".to_owned(),
        false => ids.join(", "),
    }
}
