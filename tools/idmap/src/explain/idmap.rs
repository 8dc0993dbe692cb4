// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The idmap that a copy of a mount gets: of a caller that controls the filesystem, or nested.

use kernel::fs::permission::{Caller as _, Capability};
use rustix::io::Errno;

use super::{
    caller::Caller,
    decide::{Deciding, Done},
    lookup::Route,
    node::Node,
    trace::Stop,
};
use crate::{mount::IdmappedMount, nesting, userns::UserNs};

/// The user namespace of the attempt: it has an id that each user namespace has.
const MAP: &str = "b:0:0:1";

/// Checks whether a copy of the mount gets an idmap. The kernel checks it for this program; the copy
/// is never attached.
pub(super) fn idmap(deciding: &mut Deciding<'_>, route: &Route) -> Result<Done, Stop> {
    let found = deciding.lookup(route)?;
    let node: &Node = &found.node;
    let what = format!(
        "idmapping a copy of the mount at {}",
        node.mount.target.display()
    );
    let caller = deciding.caller;
    let (rule, refusal) = match caller.is_us {
        true => ("can_idmap_mount", by_kernel(node)),
        false => by_rule(caller, node),
    };
    match refusal {
        None => {
            deciding.trace.decide(rule, || what, Ok(()), String::new)?;
            Ok(Done::default())
        }
        Some((errno, why)) => deciding.trace.refuse(rule, what, errno, why),
    }
}

fn by_kernel(node: &Node) -> Option<(Errno, String)> {
    let made = || {
        let userns = UserNs::new(&MAP.parse().ok()?);
        let copy = IdmappedMount::of_file(node.file()).replace(node.mount.is_idmapped());
        let made = userns.and_then(|userns| copy.map(&userns).detached().map(drop));
        made.err()
    };
    let error = made()?;
    let why = error.cause.unwrap_or_else(|| error.errno.to_string());
    Some((error.errno, why))
}

/// For another caller, the rule is checked for a user namespace that it makes.
fn by_rule(caller: &Caller, node: &Node) -> (&'static str, Option<(Errno, String)>) {
    if caller.ns_capable(&node.mount.userns, Capability::SysAdmin) {
        return ("can_idmap_mount", None);
    }
    let own = nesting::View::of_view(&caller.userns);
    let why = nesting::refusal_below(own, caller.capabilities);
    ("may_nest", why.map(|why| (Errno::PERM, why)))
}
