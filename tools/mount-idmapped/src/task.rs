// SPDX-License-Identifier: GPL-2.0

//! The tasks beside that of the plain command line.

use std::{
    fs::DirBuilder,
    io::{ErrorKind, Write, stdout},
    os::unix::fs::DirBuilderExt,
    path::Path,
    process::ExitCode,
};

use idmap::{Detached, IdMaps, IdmappedMount, Image, UserNs, mount_of, mounts, unmount};

use crate::{
    cli::{Container, MountArguments, Task},
    completions, deep, explaining,
    filesystem::Source,
    list::{self, Listed},
    namespace,
    options::Options,
    run::{Failure, usage},
    tree::Tree,
    width::Width,
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
        Task::Umount {
            lazy,
            namespace,
            target,
        } => {
            namespace::enter_for(namespace.as_deref(), [&**target])?;
            umount(target, *lazy)
        }
        Task::List {
            json,
            namespace,
            path,
        } => {
            namespace::enter_for(namespace.as_deref(), path.as_deref())?;
            let mounts = match path {
                Some(path) => vec![mount_of(path)?],
                None => mounts()?
                    .into_iter()
                    .filter(|mount| mount.map.is_some())
                    .collect(),
            };
            let mounts: Vec<Listed> = mounts.into_iter().map(Listed::new).collect();
            match json {
                true => print(&list::json(&mounts)),
                false => print_lines(&list::table(&mounts, Width::of(stdout()))),
            }
        }
        Task::Check {
            recursive,
            deep,
            path,
        } => {
            check(path, *recursive)?;
            match deep {
                true => print_lines(&format!("{}: {}\n", path.display(), deep::check(path)?)),
                false => Ok(()),
            }
        }
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
        Task::Completions { shell } => {
            print(&String::from_utf8_lossy(&completions::script(*shell)))
        }
        Task::Invert { map } => print(&format!("{}\n", map.clone().inverse())),
    }
}

/// Prints lines for people, which fit the terminal.
pub(crate) fn print_lines(text: &str) -> Result<(), Failure> {
    print(&Width::of(stdout()).wrapped(text))
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

/// Makes a mount.
pub(crate) fn mount(arguments: &MountArguments) -> Result<(), Failure> {
    let options = Options::parse_all(&arguments.options).map_err(usage)?;
    let maps: Vec<_> = arguments.map.iter().chain(&options.maps).cloned().collect();
    let filesystem = Source::open(&arguments.source, &options)?;
    let (source, target) = (filesystem.path(), &arguments.target);
    let userns = match (&arguments.pid, &arguments.like) {
        (None, None) => arguments.added.namespace("--map", &maps, source)?,
        _ if !maps.is_empty() => {
            let text = "idmap= and --pid or --like are two maps; give one";
            return Err(Failure::Usage(text.to_owned()));
        }
        (Some(pid), _) => Some(UserNs::of_process(*pid)?),
        (None, Some(path)) => Some(UserNs::new(&IdMaps::of_mount(path)?)?),
    };
    if userns.is_none() && !arguments.replace {
        let text = "no map: give --map, --owner, -o idmap= (mount(8) keeps X-mount.idmap= to \
                    itself), --pid or --like (or --replace, for none)";
        return Err(Failure::Usage(text.to_owned()));
    }
    let tree = match &userns {
        Some(userns) if arguments.skip_unmappable => Some(Tree::copy(source, &options, userns)?),
        _ => None,
    };
    let mut mount = IdmappedMount::of(source)
        .recursive(arguments.recursive)
        .replace(arguments.replace);
    mount = options.apply(mount);
    if let Some(userns) = &userns {
        mount = mount.map(userns);
    }
    let is_same = arguments.namespace.is_none()
        && arguments.replace
        && source
            .canonicalize()
            .is_ok_and(|source| target.canonicalize().is_ok_and(|it| it == source));
    let made = match tree {
        Some(tree) => Made::Tree(tree),
        None => Made::Mount(mount.detached()?),
    };
    filesystem.close()?;
    namespace::enter_for(arguments.namespace.as_deref(), [&**target])?;
    if let Some(mode) = options.mkdir {
        let made = DirBuilder::new().recursive(true).mode(mode).create(target);
        made.map_err(|error| Failure::Unfit(format!("making {}: {error}", target.display())))?;
    }
    match made {
        Made::Tree(tree) => tree.attach(target)?,
        Made::Mount(made) if is_same => made.replace(target)?,
        Made::Mount(made) => made.attach(target)?,
    }
    Ok(())
}

/// What is attached nowhere yet.
enum Made {
    Mount(Detached),
    Tree(Tree),
}

fn umount(target: &Path, lazy: bool) -> Result<(), Failure> {
    let mount = mount_of(target)?;
    // As umount(8) does, a symbolic link stands for what it leads to.
    let path = target.canonicalize();
    let path = path.map_err(|error| Failure::Unfit(format!("{}: {error}", target.display())))?;
    if path != mount.target {
        return Err(Failure::Unfit(format!(
            "nothing is mounted at {}: it is on the mount at {}",
            target.display(),
            mount.target.display()
        )));
    }
    if !mount.map.is_some() {
        let covers = mounts()?
            .iter()
            .any(|it| it.target == path && it.map.is_some());
        let what = match covers {
            true => "has no map and covers one that has",
            false => "has no map",
        };
        return Err(Failure::Unfit(format!(
            "the mount at {} {what}, so it is left alone: umount(8) removes it",
            target.display()
        )));
    }
    Ok(unmount(path, lazy)?)
}

/// Makes such mounts and lets them vanish.
fn check(path: &Path, recursive: bool) -> Result<(), Failure> {
    // The right to copy mounts comes first: without it, a map is no matter.
    drop(IdmappedMount::of(path).detached()?);
    let userns = UserNs::new(&"b:0:0:1".parse()?)?;
    let mut paths = vec![path.to_owned()];
    if recursive {
        let root = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let below = mounts()?.into_iter().map(|mount| mount.target);
        paths.extend(below.filter(|target| target.starts_with(&root) && *target != root));
    }
    let mut failed = None;
    for path in &paths {
        match IdmappedMount::of(path).map(&userns).detached() {
            Ok(_) => print_lines(&format!("{} can be mounted idmapped\n", list::shown(path)))?,
            Err(error) if paths.len() == 1 => return Err(error.into()),
            Err(error) => {
                let error = list::visible(&error.to_string());
                print_lines(&format!("{} cannot: {error}\n", list::shown(path)))?;
                failed = Some(path);
            }
        }
    }
    match failed {
        None => Ok(()),
        Some(_) => Err(Failure::Unfit(
            "some mounts cannot be mounted idmapped".to_owned(),
        )),
    }
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
