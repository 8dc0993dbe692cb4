// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Finds the map that shows an image to a container by looking at both.

use std::{
    collections::BTreeMap,
    fmt, fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use kernel::user_namespace::{Extent, ExtentError, IdMap};
use rustix::io::Errno;

use crate::{
    error::{Error, Step},
    maps::IdMaps,
    range::Kind,
};

/// The ids that own something in an image, each with a place where it does.
#[derive(Clone, Debug, Default)]
pub struct Owners(BTreeMap<u32, PathBuf>);

/// Who owns the files of an image.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Image {
    /// User and group that own its root: what is 0 in the image.
    pub base: (u32, u32),
    /// The users.
    pub users: Owners,
    /// The groups.
    pub groups: Owners,
}

/// Why an image cannot be shown to a container.
#[derive(Debug)]
#[non_exhaustive]
pub enum ShiftError {
    /// The image or the container's map could not be read.
    Read(Error),
    /// An id of the image is below the owner of its root.
    BelowBase(Kind, u32, u32),
    /// An id of the image is beyond those of the container.
    Beyond {
        /// Of users or of groups.
        kind: Kind,
        /// The id on disk.
        id: u32,
        /// What it would be in the container.
        inside: u32,
        /// An entry that it owns.
        at: PathBuf,
    },
    /// The container's map is not complete, or not for ids this great.
    Map(Kind, ExtentError),
}

impl fmt::Display for ShiftError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => error.fmt(f),
            Self::BelowBase(kind, id, base) => write!(
                f,
                "the root of the image belongs to {base}, so that is its 0, and the image has \
                 {kind} below it, such as {id}; is this the root of the image?"
            ),
            Self::Beyond {
                kind,
                id,
                inside,
                at,
            } => write!(
                f,
                "{} is owned by {id}, which would be {inside} in the container, and the \
                 container has no such id among its {kind}: it would see nobody's file",
                at.display()
            ),
            Self::Map(kind, error) => write!(f, "the map of {kind}: {error}"),
        }
    }
}

impl std::error::Error for ShiftError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read(error) => Some(error),
            _ => None,
        }
    }
}

impl From<Error> for ShiftError {
    fn from(error: Error) -> Self {
        Self::Read(error)
    }
}

impl Image {
    /// Looks at every entry of the image, on its filesystem alone.
    pub fn read(root: impl AsRef<Path>) -> Result<Self, Error> {
        let root = root.as_ref();
        let fail = |path: &Path, error: std::io::Error| {
            let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
            Error::new(Step::ReadTree, path.display().to_string(), errno)
        };
        let status = fs::metadata(root).map_err(|error| fail(root, error))?;
        let mut image = Self {
            base: (status.uid(), status.gid()),
            users: Owners::default(),
            groups: Owners::default(),
        };
        image.users.add(status.uid(), root);
        image.groups.add(status.gid(), root);
        let mut directories = vec![root.to_owned()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(&directory).map_err(|error| fail(&directory, error))? {
                let path = entry.map_err(|error| fail(&directory, error))?.path();
                let entry = fs::symlink_metadata(&path).map_err(|error| fail(&path, error))?;
                if entry.dev() != status.dev() {
                    continue;
                }
                image.users.add(entry.uid(), &path);
                image.groups.add(entry.gid(), &path);
                if entry.is_dir() {
                    directories.push(path);
                }
            }
        }
        Ok(image)
    }

    /// The map that shows the image's 0 as the 0 of a container with these maps, its 1 as 1, and
    /// so on; an error if the container has not all ids of the image.
    pub fn for_container(&self, container: &IdMaps) -> Result<IdMaps, ShiftError> {
        let (user, group) = self.base;
        Ok(IdMaps {
            users: shift(Kind::Users, user, &self.users, container.users())?,
            groups: shift(Kind::Groups, group, &self.groups, container.groups())?,
        })
    }
}

impl Owners {
    fn add(&mut self, id: u32, at: &Path) {
        self.0.entry(id).or_insert_with(|| at.to_owned());
    }

    /// The ids in their order, each with a place.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Path)> {
        self.0.iter().map(|(id, at)| (*id, at.as_path()))
    }
}

impl IdMaps {
    /// The maps of the user namespace of a process.
    pub fn of_process(pid: u32) -> Result<Self, Error> {
        let fail = |errno| Error::new(Step::ReadMap, format!("process {pid}"), errno);
        let read = |file: &str| {
            fs::read_to_string(format!("/proc/{pid}/{file}"))
                .map_err(|error| fail(Errno::from_io_error(&error).unwrap_or(Errno::IO)))
        };
        Self::from_proc(&read("uid_map")?, &read("gid_map")?).map_err(|error| {
            let cause = Some(error.to_string());
            fail(Errno::INVAL).because(cause)
        })
    }
}

/// Moves the upper side of a container's map up to where the image's ids begin.
fn shift(
    kind: Kind,
    base: u32,
    owners: &Owners,
    container: &IdMap<Vec<Extent>>,
) -> Result<IdMap<Vec<Extent>>, ShiftError> {
    for (id, at) in owners.iter() {
        let inside = id
            .checked_sub(base)
            .ok_or(ShiftError::BelowBase(kind, id, base))?;
        if container.down(inside).is_none() {
            return Err(ShiftError::Beyond {
                kind,
                id,
                inside,
                at: at.to_owned(),
            });
        }
    }
    let mut extents = Vec::new();
    for extent in container.extents() {
        // The initial map has so many ids that they cannot be moved, and need not be.
        let room = u32::MAX - base;
        let Some(rest) = room.checked_sub(extent.first()).filter(|rest| *rest > 0) else {
            continue;
        };
        let count = extent.count().min(rest);
        let moved = Extent::new(base + extent.first(), extent.lower_first(), count);
        extents.push(moved.map_err(|error| ShiftError::Map(kind, error))?);
    }
    IdMap::from_storage(extents).map_err(|_| ShiftError::Map(kind, ExtentError::Empty))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(base: u32, least: u32, greatest: u32) -> Image {
        let mut owners = Owners::default();
        for id in [least, greatest] {
            owners.add(id, Path::new("/image/file"));
        }
        Image {
            base: (base, base),
            users: owners.clone(),
            groups: owners,
        }
    }

    fn shifted(image: &Image, container: &str) -> Result<String, String> {
        let container = container.parse().unwrap();
        let maps = image.for_container(&container);
        maps.map(|maps| maps.to_string())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn an_image_is_moved_to_the_container() {
        let image = image(300_000, 300_000, 301_000);
        assert_eq!(
            shifted(&image, "b:0:100000:100000"),
            Ok("b:300000:100000:100000".to_owned())
        );
        assert_eq!(
            shifted(&image, "b:0:500000:100000"),
            Ok("b:300000:500000:100000".to_owned())
        );
        let two = "b:0:1000:1 b:1:100000:65535";
        let moved = "b:300000:1000:1 b:300001:100000:65535";
        assert_eq!(shifted(&image, two), Ok(moved.to_owned()));
        // Of a process that is in no container.
        let all = shifted(&image, "b:0:0:4294967295");
        assert_eq!(all, Ok("b:300000:0:4294667295".to_owned()));
    }

    #[test]
    fn a_hole_in_the_map_of_the_container_is_found() {
        let mut image = image(10_000, 10_000, 11_500);
        let container = "b:0:300000:500 b:501:300501:1499";
        assert!(shifted(&image, container).is_ok());
        image.groups.add(10_500, Path::new("/image/hole"));
        let error = shifted(&image, container).unwrap_err();
        assert!(
            error.contains("/image/hole is owned by 10500, which would be 500"),
            "{error}"
        );
    }

    #[test]
    fn what_the_container_cannot_see_is_named() {
        let error = shifted(&image(300_000, 300_000, 365_536), "b:0:100000:65536").unwrap_err();
        assert!(
            error.contains("/image/file is owned by 365536, which would be 65536"),
            "{error}"
        );
        let error = shifted(&image(300_000, 0, 300_001), "b:0:100000:65536").unwrap_err();
        assert!(
            error.contains("belongs to 300000") && error.contains("such as 0"),
            "{error}"
        );
    }
}
