// SPDX-License-Identifier: GPL-2.0

//! Trees of mounts, of which some cannot have a map.

use std::path::{Path, PathBuf};

use idmap::{Detached, Error, IdmappedMount, Step, UserNs, mounts, unmount};
use rustix::io::Errno;

use crate::{
    options::Options,
    run::{Failure, note},
};

/// Copies of the mounts of a tree, each with its path from the root of the tree, parents first.
pub(crate) struct Tree(Vec<(PathBuf, Detached)>);

impl Tree {
    /// Copies the mount of `source` and those below it. A filesystem below it that does not support
    /// idmapped mounts is left out with all that is mounted below it, and its path is printed.
    pub(crate) fn copy(source: &Path, options: &Options, userns: &UserNs) -> Result<Self, Failure> {
        let copy = |path: &Path| {
            let mount = options.apply(IdmappedMount::of(path)).map(userns);
            mount.recursive(false).detached()
        };
        let mut made = vec![(PathBuf::new(), copy(source)?)];
        let root = source.canonicalize();
        let root =
            root.map_err(|error| Failure::Unfit(format!("{}: {error}", source.display())))?;
        let mut targets: Vec<PathBuf> = mounts()?.into_iter().map(|mount| mount.target).collect();
        targets.retain(|target| target.starts_with(&root) && *target != root);
        // A path is after those that it begins with. Of several mounts at one path, the last is seen.
        targets.sort();
        targets.dedup();
        let mut left_out: Vec<PathBuf> = Vec::new();
        for target in targets {
            if left_out.iter().any(|path| target.starts_with(path)) {
                continue;
            }
            match copy(&target) {
                Ok(mount) => {
                    let path = target.strip_prefix(&root).unwrap_or(&target).to_owned();
                    made.push((path, mount));
                }
                Err(error) if is_unmappable(&error) => {
                    note(&format!("left out: {error}"));
                    left_out.push(target);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Self(made))
    }

    /// Attaches all, or none.
    pub(crate) fn attach(self, target: &Path) -> Result<(), Error> {
        let mut is_attached = false;
        for (path, mount) in self.0 {
            let place = match path.as_os_str().is_empty() {
                true => target.to_owned(),
                false => target.join(path),
            };
            if let Err(error) = mount.attach(place) {
                if is_attached {
                    let _ = unmount(target, true);
                }
                return Err(error);
            }
            is_attached = true;
        }
        Ok(())
    }
}

/// Whether the filesystem does not support a map, which is no matter of the caller's rights.
fn is_unmappable(error: &Error) -> bool {
    error.step == Step::SetAttributes && error.errno == Errno::INVAL
}
