// SPDX-License-Identifier: GPL-2.0

//! The attack on a nested idmapped mount.
//!
//! Root of a user namespace gives a mount a nested idmap, and makes random operations through it,
//! as all kinds of users. Afterwards no inode that the nested idmap does not map may have changed,
//! none may have been made, and nothing secret may have been read. Prints KTAP.

mod attacker;
mod disk;
mod ids;
mod mount;
mod stored;
mod unmet;

use std::{
    fs,
    io::stdout,
    path::{Path, PathBuf},
    process::ExitCode,
};

use attacker::Tally;
use clap::Parser;
use ids::{CALLERS, MAP, OWN, Old, SHOWN};
use kselftest::{
    credentials::{set_capabilities, set_ids},
    errno::{SyscallResult, from_io},
    filesystem,
    ktap::{Context, Failure, Outcome, Printer, failed},
    mounts, process,
    rng::Rng,
    userns::UserNs,
};
use rustix::{
    io::Errno,
    mount::{UnmountFlags, unmount},
    thread::CapabilitySet,
};
use unmet::Unmet;

/// Attacks nested idmapped mounts; as root, in the guest.
#[derive(Parser)]
#[command(name = "attack", version)]
struct Arguments {
    /// The filesystems
    #[arg(long, default_values_t = ["tmpfs", "ext4", "xfs", "btrfs", "overlay"].map(str::to_owned))]
    fs: Vec<String>,
    /// So many operations on each filesystem
    #[arg(long, default_value_t = 20_000)]
    ops: u64,
    /// What the operations follow from
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// The sysctl that offers nested idmaps.
const SYSCTL: &str = "/proc/sys/fs/mount_idmap_nested";
/// The sysctl that forbids hard links to files of others.
const HARDLINKS: &str = "/proc/sys/fs/protected_hardlinks";
/// How many operations one process makes.
const BATCH: u64 = 250;
/// How many operations a caller makes that does not meet a condition.
const UNMET: u64 = 4_000;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut printer = Printer::new(stdout(), 3 * arguments.fs.len() + 1 + Unmet::ALL.len());
    let settings = [SYSCTL, HARDLINKS].map(|path| fs::read_to_string(path).unwrap_or_default());
    let mut good = fs::write(HARDLINKS, "1").is_ok();
    if settings[0].trim() == "0" {
        good &= fs::write(SYSCTL, "1").is_ok();
    }
    for kind in &arguments.fs {
        for idmapped in [false, true] {
            let name = format!("{kind}_{}", if idmapped { "idmapped" } else { "plain" });
            let outcome = attack(&arguments, kind, Old { idmapped }, Maker::RootOfN);
            good &= !matches!(outcome, Err(Failure::Failed(_)));
            printer.result(&name, &outcome);
        }
    }
    for kind in &arguments.fs {
        let outcome = check_stored_ids(&arguments, kind);
        good &= !matches!(outcome, Err(Failure::Failed(_)));
        printer.result(&format!("{kind}_stored_ids"), &outcome);
    }
    let outcome = attack(&arguments, "tmpfs", Old { idmapped: false }, Maker::Host);
    good &= outcome.is_ok();
    printer.result("breaches_are_found", &outcome);
    for unmet in Unmet::ALL {
        let outcome = attack_unmet(&arguments, unmet);
        good &= outcome.is_ok();
        printer.result(unmet.name(), &outcome);
    }
    for (path, setting) in [SYSCTL, HARDLINKS].iter().zip(settings) {
        let _ = fs::write(path, setting);
    }
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The maker of the mount that is attacked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Maker {
    /// Root of `N`, who does not control the filesystem: the idmap is nested.
    RootOfN,
    /// Root of the host, who does. The idmap is from stored ids to those of `M`, so it shows files of
    /// others as files of `N`. The attack must find this.
    Host,
}

/// Attacks one filesystem.
fn attack(arguments: &Arguments, kind: &str, old: Old, maker: Maker) -> Outcome {
    process::isolated_test(|| {
        mounts::new_namespace().context("mount namespace")?;
        let root = PathBuf::from("/tmp/attack");
        fs::create_dir_all(&root).context("directory")?;
        let kind = filesystem::find(kind).map_err(Failure::Failed)?;
        let disk = kind.mount(&root)?;
        let mut rng = Rng::of(arguments.seed, u64::from(old.idmapped));
        disk::populate(&disk, old, &mut rng).context("tree")?;
        let before = disk::snapshot(&disk).context("snapshot")?;
        let tally = run(&disk, old, maker, &mut rng, arguments.ops / 2).context("attack")?;
        let after = disk::snapshot(&disk).context("snapshot")?;
        let damage = disk::compare(&before, &after, |id| old.is_mapped(id));
        println!(
            "# {} operations, {} succeeded; {} overlayfs on top; {} inodes changed, {} kept; \
             {} breaches, {} secrets",
            tally.operations,
            tally.succeeded,
            tally.overlays,
            damage.changed,
            damage.kept,
            damage.breaches.len(),
            tally.secrets
        );
        let _ = unmount(&disk, UnmountFlags::DETACH);
        if maker == Maker::Host {
            return match damage.breaches.is_empty() {
                true => Err(Failure::Failed("the attack found no breach".to_owned())),
                false => Ok(()),
            };
        }
        if let Some(first) = damage.breaches.first() {
            return Err(Failure::Failed(first.clone()));
        }
        if tally.secrets > 0 {
            return Err(Failure::Failed(format!(
                "{} secrets were read",
                tally.secrets
            )));
        }
        // An attack that does nothing shows nothing.
        if damage.changed < 20 || damage.kept < 20 || tally.succeeded < tally.operations / 100 {
            return Err(Failure::Failed("the attack did too little".to_owned()));
        }
        Ok(())
    })
}

/// Makes the mounts, and makes the operations through the nested one.
fn run(disk: &Path, old: Old, maker: Maker, rng: &mut Rng, count: u64) -> SyscallResult<Tally> {
    let target = attach_old(disk, old)?;
    let own = UserNs::with(OWN)?;
    let map_of = own.child((0, 0), MAP, MAP)?;
    if maker == Maker::Host {
        mount::attach(&mount::copy_with_idmap(&target, &map_of)?, &target)?;
    }
    let seed = rng.next();
    let ran = in_child(|| {
        own.enter(0, 0)?;
        mount::new_namespace()?;
        if maker == Maker::RootOfN {
            mount::attach(&mount::copy_with_idmap(&target, &map_of)?, &target)?;
        }
        batches(&target, (seed, count), |rng, batch| {
            // Root of N mounts overlayfs on top now and then.
            let is_over = rng.once_in(8) && attacker::enter_overlay(rng, batch).is_ok();
            become_anybody(rng, &map_of)?;
            Ok((CALLERS.to_vec(), is_over))
        })
    })?;
    match ran {
        Ran::Attacked(tally) => Ok(tally),
        Ran::Refused(errno) => Err(errno),
    }
}

/// Attaches a copy of a mount, which may be idmapped: the old mount.
fn attach_old(disk: &Path, old: Old) -> SyscallResult<PathBuf> {
    let tree = mount::copy(disk)?;
    if old.idmapped {
        mount::set_idmap(&tree, &UserNs::with(SHOWN)?)?;
    }
    let target = disk.with_file_name("old");
    fs::create_dir_all(&target).map_err(from_io)?;
    mount::attach(&tree, &target)?;
    Ok(target)
}

/// The result of an attack.
enum Ran {
    /// There is no mount to attack.
    Refused(Errno),
    /// It was made.
    Attacked(Tally),
}

/// Runs an attack in a child process. The errors that it returns are those of making the mount.
fn in_child(run: impl FnOnce() -> SyscallResult<Tally>) -> SyscallResult<Ran> {
    let output = process::Child::start(|output| {
        let bytes = run().map_or_else(
            |errno| errno.raw_os_error().to_le_bytes().to_vec(),
            Tally::bytes,
        );
        let _ = std::io::Write::write_all(output, &bytes);
    })?
    .output()?;
    if let Ok(errno) = <[u8; 4]>::try_from(output.as_slice()) {
        let errno = Errno::from_raw_os_error(i32::from_le_bytes(errno));
        return Ok(Ran::Refused(errno));
    }
    let mut tally = Tally::default();
    tally.add(&output);
    Ok(Ran::Attacked(tally))
}

/// Attacks by a process for each batch. `become_user` makes the process a user, and returns ids for
/// its operations and whether overlayfs is on top.
fn batches(
    target: &Path,
    (seed, count): (u64, u64),
    become_user: impl Fn(&mut Rng, u64) -> SyscallResult<(Vec<u32>, bool)>,
) -> SyscallResult<Tally> {
    std::env::set_current_dir(target).map_err(from_io)?;
    let mut tally = Tally::default();
    for batch in 0..count.div_ceil(BATCH) {
        let child = process::Child::start(|output| {
            let mut rng = Rng::of(seed, batch);
            if let Ok((ids, is_over)) = become_user(&mut rng, batch) {
                let mut tally = attacker::attack(&mut rng, BATCH, &ids);
                tally.overlays = u64::from(is_over);
                let _ = std::io::Write::write_all(output, &tally.bytes());
            }
        })?;
        tally.add(&child.output()?);
    }
    Ok(tally)
}

/// Becomes a user of `N` or of `M`, with or without capabilities.
fn become_anybody(rng: &mut Rng, map_of: &UserNs) -> SyscallResult {
    if rng.chance(50) {
        map_of.enter(0, 0)?;
    }
    let mut id = || rng.pick(&CALLERS);
    let (user, group, more) = (id(), id(), id());
    rustix::thread::set_keep_capabilities(true)?;
    set_ids([user; 3], [group; 3], &[more])?;
    if rng.chance(40) {
        set_capabilities(CapabilitySet::all())?;
    } else {
        set_capabilities(CapabilitySet::empty())?;
    }
    process::set_dumpable()
}

/// Has a caller that does not meet a condition attack, through the old mount and through the new
/// one, if the kernel makes it.
fn attack_unmet(arguments: &Arguments, unmet: Unmet) -> Outcome {
    process::isolated_test(|| {
        mounts::new_namespace().context("mount namespace")?;
        let root = PathBuf::from("/tmp/attack");
        fs::create_dir_all(&root).context("directory")?;
        let disk = filesystem::TMPFS.mount(&root)?;
        let mut rng = Rng::new(arguments.seed);
        unmet.populate(&disk, &mut rng).context("tree")?;
        let target = attach_old(&disk, unmet.old()).context("old mount")?;
        for is_new in [false, true] {
            let own = unmet.own().context("user namespace")?;
            let beside = unmet.beside().context("user namespace")?;
            let before = disk::snapshot(&disk).context("snapshot")?;
            let seed = rng.next();
            let ran = in_child(|| {
                // The errors of the steps are not those of the mount.
                let step = |_| Errno::CANCELED;
                unmet.enter(&own).map_err(step)?;
                mount::new_namespace().map_err(step)?;
                let made = unmet.become_caller().map_err(step)?;
                let map_of = beside.as_ref().unwrap_or(&made);
                if is_new {
                    let tree = match unmet {
                        Unmet::Set => mount::copy_without_idmap(&target)?,
                        _ => mount::copy_with_idmap(&target, map_of)?,
                    };
                    mount::attach(&tree, &target).map_err(step)?;
                }
                batches(&target, (seed, UNMET), |rng, _| {
                    Ok((unmet.become_anybody(rng, &made)?, false))
                })
            })
            .context("attack")?;
            let tally = match ran {
                Ran::Refused(Errno::PERM) if is_new => return Ok(()),
                Ran::Refused(errno) => return Err(failed(format_args!("{errno}"))),
                Ran::Attacked(tally) => tally,
            };
            let after = disk::snapshot(&disk).context("snapshot")?;
            let damage = disk::compare(&before, &after, |id| unmet.is_mapped(id));
            let text = format!(
                "{} operations, {} succeeded; {} breaches, {} secrets; {:?}",
                tally.operations,
                tally.succeeded,
                damage.breaches.len(),
                tally.secrets,
                damage.breaches.first(),
            );
            if is_new {
                return Err(failed(format_args!("the kernel makes the mount: {text}")));
            }
            if !damage.breaches.is_empty() || tally.secrets > 0 || tally.succeeded == 0 {
                return Err(failed(format_args!("through the old mount: {text}")));
            }
        }
        Ok(())
    })
}

/// Makes the calls that check stored ids, through the old mount and through the new one.
fn check_stored_ids(arguments: &Arguments, kind: &str) -> Outcome {
    process::isolated_test(|| {
        mounts::new_namespace().context("mount namespace")?;
        let root = PathBuf::from("/tmp/attack");
        fs::create_dir_all(&root).context("directory")?;
        let disk = filesystem::find(kind)
            .map_err(Failure::Failed)?
            .mount(&root)?;
        for idmapped in [false, true] {
            let old = Old { idmapped };
            let dir = disk.join(if idmapped { "idmapped" } else { "plain" });
            fs::create_dir(&dir).context("directory")?;
            let mut rng = Rng::new(arguments.seed);
            disk::populate(&dir, old, &mut rng).context("tree")?;
            let target = attach_old(&dir, old).context("old mount")?;
            let files = stored::files(&dir).context("files")?;
            let relative = |(path, inode): &(PathBuf, u64)| {
                let path = path.strip_prefix(&dir).unwrap_or(path);
                (path.to_owned(), *inode)
            };
            let files: Vec<_> = files.iter().map(relative).collect();
            let own = UserNs::with(OWN).context("user namespace")?;
            let map_of = own.child((0, 0), MAP, MAP).context("user namespace")?;
            let works = |is_new: bool| {
                stored::in_child(|| {
                    own.enter(0, 0)?;
                    mount::new_namespace()?;
                    if is_new {
                        mount::attach(&mount::copy_with_idmap(&target, &map_of)?, &target)?;
                    }
                    std::env::set_current_dir(&target).map_err(from_io)?;
                    stored::try_all(&files, &map_of)
                })
            };
            let (old, new) = (
                works(false).context("old mount")?,
                works(true).context("new mount")?,
            );
            println!(
                "# {} files; calls that work: {} through the old mount, {} through the new one",
                files.len(),
                old.len(),
                new.len()
            );
            if let Some(more) = new.difference(&old).next() {
                return Err(failed(format_args!(
                    "{} works through the new mount alone",
                    stored::name(*more)
                )));
            }
            if new.is_empty() {
                return Err(failed("no call works"));
            }
            let _ = unmount(&target, UnmountFlags::DETACH);
        }
        Ok(())
    })
}
