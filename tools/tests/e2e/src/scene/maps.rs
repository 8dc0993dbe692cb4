// SPDX-License-Identifier: GPL-2.0

//! Random idmaps, compared with a plain implementation of idmaps and with the mounts that mount(8)
//! makes.

use std::path::Path;

use idmap::{IdMaps, IdmappedMount, MountMap, UserNs, mount_of, unmount};

use crate::{
    fixture::Fixture,
    inspect,
    report::{Context, Failure},
    show::Owner,
    syscalls,
    tree::{Entry, make},
};
use kselftest::rng::Rng;

const MAPS: u32 = 500;
/// Every so many is compared with one of mount(8).
const SAMPLE: u32 = 20;

/// A range: the first id on disk, the first id seen, and how many.
type Range = (u32, u32, u32);

pub(crate) fn run(fixture: &mut Fixture) -> Result<(), Failure> {
    let disk = fixture.disk(|root| make(root, "file", &Entry::File(b""), 0, 0o644))?;
    let target = fixture.directory("target")?;
    let other = fixture.directory("other")?;
    let mut rng = Rng::new(0x9e37_79b9_7f4a_7c15);
    let mut looks = 0;
    let (mut wrong_ids, mut wrong_maps, mut wrong_others) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..MAPS {
        let (users, groups) = (map(&mut rng), map(&mut rng));
        let text = text(&users, &groups);
        let maps: IdMaps = text.parse().context(&text)?;
        let mount = || -> Result<(), idmap::Error> {
            let userns = UserNs::new(&maps)?;
            IdmappedMount::of(&disk).map(&userns).attach(&target)
        };
        mount().context(&text)?;
        if !is_shown(&target, &maps)? {
            note(&mut wrong_maps, text.clone());
        }
        for id in boundaries(&users).into_iter().chain(boundaries(&groups)) {
            looks += 1;
            syscalls::chown(disk.join("file"), id)
                .context(format_args!("giving the file to {id}"))?;
            let seen = inspect::owner(target.join("file")).context("looking at the file")?;
            let none = inspect::overflow_owner();
            let expected = Owner(down(&users, id, none.0), down(&groups, id, none.1));
            if seen != expected {
                note(
                    &mut wrong_ids,
                    format!("{id} through {text}: {seen:?}, not {expected:?}"),
                );
            }
        }
        if number % SAMPLE == 0 {
            mount_8(&disk, &other, &text)?;
            if !is_shown(&other, &maps)? {
                note(&mut wrong_others, text.clone());
            }
            unmount(&other, false).context("unmounting what mount(8) mounted")?;
        }
        unmount(&target, false).context("unmounting")?;
    }
    let none = || Ok(Vec::<String>::new());
    let what = format!("of {looks} ids seen through {MAPS} random maps, wrong are");
    fixture.check(&what, Ok(wrong_ids), none());
    let what = format!("of {MAPS} maps, the kernel shows wrongly");
    fixture.check(&what, Ok(wrong_maps), none());
    let what = format!(
        "of {} made by mount(8) as well, other than ours are",
        MAPS / SAMPLE
    );
    fixture.check(&what, Ok(wrong_others), none());
    Ok(())
}

/// Records a failure; only the first few are shown.
fn note(wrong: &mut Vec<String>, what: String) {
    if wrong.len() < 5 {
        wrong.push(what);
    }
}

/// Whether the kernel shows these maps for the mount.
fn is_shown(target: &Path, maps: &IdMaps) -> Result<bool, Failure> {
    match mount_of(target).context("looking at the mount")?.map {
        MountMap::Maps(shown) => {
            let sorted = |maps: &IdMaps| {
                let [mut users, mut groups] = [maps.users(), maps.groups()].map(|map| {
                    let ranges = map.extents().iter();
                    ranges
                        .map(|e| (e.first(), e.lower_first(), e.count()))
                        .collect::<Vec<_>>()
                });
                // From six ranges on the kernel keeps them in order.
                users.sort_unstable();
                groups.sort_unstable();
                (users, groups)
            };
            Ok(sorted(&shown) == sorted(maps))
        }
        _ => Ok(false),
    }
}

/// Makes the same mount with mount(8).
fn mount_8(source: &Path, target: &Path, text: &str) -> Result<(), Failure> {
    let mut command = std::process::Command::new("mount");
    command
        .args(["--bind", "-o", &format!("X-mount.idmap={text}")])
        .arg(source)
        .arg(target);
    let output = command.output().context("running mount")?;
    match output.status.success() {
        true => Ok(()),
        false => Err(Failure::Failed(
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )),
    }
}

fn text(users: &[Range], groups: &[Range]) -> String {
    let list = |kind, ranges: &[Range]| {
        let text = ranges
            .iter()
            .map(|(from, to, count)| format!("{kind}:{from}:{to}:{count}"));
        text.collect::<Vec<_>>().join(" ")
    };
    format!("{} {}", list('u', users), list('g', groups))
}

/// The plain implementation of an idmap.
fn down(ranges: &[Range], id: u32, none: u32) -> u32 {
    let range = ranges
        .iter()
        .find(|(from, _, count)| id >= *from && id - from < *count);
    range.map_or(none, |(from, to, _)| to + (id - from))
}

/// The ids at both ends of each range, and next to them.
fn boundaries(ranges: &[Range]) -> Vec<u32> {
    let ends = |&(from, _, count): &Range| {
        let last = from + count - 1;
        // The largest number is not an id, so it owns no file.
        [
            from.checked_sub(1),
            Some(from),
            Some(last),
            last.checked_add(1),
        ]
    };
    let ids = ranges.iter().flat_map(ends).flatten();
    ids.filter(|id| *id != u32::MAX).take(24).collect()
}

/// Returns a random map: mostly of few ranges, sometimes of nearly as many as one page of text
/// holds; some are adjacent, and some have the largest ids.
fn map(rng: &mut Rng) -> Vec<Range> {
    let count = match rng.below(8) {
        0 => 6 + rng.below(120),
        _ => 1 + rng.below(7),
    };
    // Any range on disk may be seen at any ids.
    let from = column(rng, count);
    let from = rng.shuffled(&from);
    let to = column(rng, count);
    from.iter()
        .zip(&to)
        .map(|((from, a), (to, b))| (*from, *to, *a.min(b)))
        .collect()
}

/// Returns ranges that do not overlap, each with its length.
fn column(rng: &mut Rng, count: usize) -> Vec<(u32, u32)> {
    let mut next = match rng.below(4) {
        0 => u32::MAX - count as u32 * 2000,
        1 => 0,
        _ => rng.below(1 << 20) as u32,
    };
    let mut ranges = Vec::new();
    for _ in 0..count {
        let gap = rng.pick(&[0, 0, 1, 700]);
        let length = 1 + rng.pick(&[0, 0, 1, 999]);
        ranges.push((next + gap, length));
        next += gap + length;
    }
    ranges
}
