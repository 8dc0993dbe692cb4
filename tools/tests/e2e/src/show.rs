// SPDX-License-Identifier: GPL-2.0

//! The values that are compared, and how they are shown.

use std::collections::BTreeMap;

use kselftest::errno;
pub(crate) use kselftest::errno::SyscallResult;

/// A user and a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Owner(pub(crate) u32, pub(crate) u32);

/// The permission bits of a file, with those above them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mode(pub(crate) u32);

/// How many entries of a tree each owner has.
pub(crate) type Census = BTreeMap<Owner, usize>;

/// A value that can be shown to people.
pub(crate) trait Show {
    fn show(&self) -> String;
}

impl Show for () {
    fn show(&self) -> String {
        "done".to_owned()
    }
}

impl Show for bool {
    fn show(&self) -> String {
        if *self { "yes" } else { "no" }.to_owned()
    }
}

impl Show for u32 {
    fn show(&self) -> String {
        self.to_string()
    }
}

impl Show for String {
    fn show(&self) -> String {
        self.clone()
    }
}

impl Show for Owner {
    fn show(&self) -> String {
        format!("{}:{}", self.0, self.1)
    }
}

impl Show for Mode {
    fn show(&self) -> String {
        format!("{:04o}", self.0)
    }
}

impl Show for Census {
    fn show(&self) -> String {
        let entries = |(owner, count): (&Owner, &usize)| format!("{count} x {}", owner.show());
        self.iter().map(entries).collect::<Vec<_>>().join(", ")
    }
}

impl<T: Show> Show for Vec<T> {
    fn show(&self) -> String {
        match &self[..] {
            [] => "none".to_owned(),
            items => items.iter().map(Show::show).collect::<Vec<_>>().join(", "),
        }
    }
}

impl<T: Show> Show for SyscallResult<T> {
    fn show(&self) -> String {
        match self {
            Ok(value) => value.show(),
            Err(errno) => errno::name(*errno),
        }
    }
}
