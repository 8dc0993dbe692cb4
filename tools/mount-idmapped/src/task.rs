// SPDX-License-Identifier: GPL-2.0

//! The tasks beside that of the plain command line.

use std::{
    io::{ErrorKind, Write, stdout},
    path::Path,
    process::ExitCode,
};

use idmap::{IdMaps, IdmappedMount, Image, UserNs, mount_of, mounts, unmount};

use crate::{
    cli::{self, Container, MountArguments, Task},
    explaining, list,
    run::{Failure, namespace},
};

/// Does a task.
pub(crate) fn run(task: &Task) -> Result<ExitCode, Failure> {
    if let Task::Explain(arguments) = task {
        return explaining::run(arguments);
    }
    simple(task).map(|()| ExitCode::SUCCESS)
}

fn simple(task: &Task) -> Result<(), Failure> {
    match task {
        Task::Explain(_) => Ok(()),
        Task::Mount(arguments) => mount(arguments),
        Task::Umount { lazy, target } => umount(target, *lazy),
        Task::List { json, path } => {
            let mounts = match path {
                Some(path) => vec![mount_of(path)?],
                None => mounts()?
                    .into_iter()
                    .filter(|mount| mount.map.is_some())
                    .collect(),
            };
            print(&if *json {
                list::json(&mounts)
            } else {
                list::table(&mounts)
            })
        }
        Task::Check { path } => check(path),
        Task::Shift {
            container,
            image,
            target,
        } => shift(container, image, target.as_deref()),
        Task::Compose { first, next } => {
            let all = next
                .iter()
                .try_fold(first.clone(), |maps, next| maps.then(next))?;
            print(&format!("{}\n", all.joined()))
        }
        Task::Completions { shell } => print(&String::from_utf8_lossy(&cli::completions(*shell))),
        Task::Invert { map } => print(&format!("{}\n", map.clone().inverse())),
    }
}

/// Writes to the standard output; that nobody reads on is no failure.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    match stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::Unfit(format!("writing the answer: {error}")))
        }
        _ => Ok(()),
    }
}

fn mount(arguments: &MountArguments) -> Result<(), Failure> {
    let in_options = arguments
        .options
        .iter()
        .filter_map(|options| options.map.as_ref());
    let maps: Vec<_> = arguments.map.iter().chain(in_options).cloned().collect();
    let userns = match (&arguments.pid, &arguments.like) {
        (None, None) => namespace("--map", &maps)?,
        _ if !maps.is_empty() => {
            let text = "X-mount.idmap= and --pid or --like are two maps; give one";
            return Err(Failure::Usage(text.to_owned()));
        }
        (Some(pid), _) => Some(UserNs::of_process(*pid)?),
        (None, Some(path)) => Some(UserNs::new(&IdMaps::of_mount(path)?)?),
    };
    if userns.is_none() && !arguments.replace {
        let text =
            "no map: give --map, -o X-mount.idmap=, --pid or --like (or --replace, for none)";
        return Err(Failure::Usage(text.to_owned()));
    }
    let mut mount = IdmappedMount::of(&arguments.source)
        .recursive(arguments.recursive)
        .replace(arguments.replace);
    for options in &arguments.options {
        mount = options.apply(mount);
    }
    if let Some(userns) = &userns {
        mount = mount.map(userns);
    }
    Ok(mount.attach(&arguments.target)?)
}

fn umount(target: &Path, lazy: bool) -> Result<(), Failure> {
    let mount = mount_of(target)?;
    let same = target
        .canonicalize()
        .is_ok_and(|target| target == mount.target);
    if !same {
        return Err(Failure::Unfit(format!(
            "nothing is mounted at {}: it is on the mount at {}",
            target.display(),
            mount.target.display()
        )));
    }
    if !mount.map.is_some() {
        return Err(Failure::Unfit(format!(
            "the mount at {} has no map, so it is left alone: umount(8) removes it",
            target.display()
        )));
    }
    Ok(unmount(target, lazy)?)
}

/// Makes such a mount and lets it vanish.
fn check(path: &Path) -> Result<(), Failure> {
    let userns = UserNs::new(&"b:0:0:1".parse()?)?;
    IdmappedMount::of(path).map(&userns).detached()?;
    print(&format!("{} can be mounted idmapped\n", path.display()))
}

fn shift(container: &Container, image: &Path, target: Option<&Path>) -> Result<(), Failure> {
    let container = match container {
        Container::Process(pid) => IdMaps::of_process(*pid)?,
        Container::Maps(maps) => maps.clone(),
    };
    let maps = Image::read(image)?.for_container(&container)?;
    let Some(target) = target else {
        return print(&format!("{maps}\n"));
    };
    Ok(IdmappedMount::of(image)
        .map(&UserNs::new(&maps)?)
        .attach(target)?)
}
