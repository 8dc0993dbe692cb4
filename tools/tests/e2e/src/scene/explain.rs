// SPDX-License-Identifier: GPL-2.0

//! Random files, idmaps, callers and operations. Each operation is explained and then made; the
//! explanation and the result must agree.

mod foreign;
mod world;

use std::{collections::BTreeMap, fs, path::Path};

use idmap::{
    IdMaps, Step, UserNs, errno_name,
    explain::{Caller, Explainer, Request, Stand, Told, UserNsView},
    unmount,
};
use kselftest::filesystem::TMPFS;
use rustix::mount::{MountFlags, mount_remount};

use self::world::World;
use crate::{
    fixture::{Effort, Fixture},
    report::{Context, Failure},
};
use kselftest::rng::Rng;

const CALLERS: u32 = 5;
const QUESTIONS: u32 = 10;

/// The ids that there are, few enough to meet often.
const IDS: [u32; 7] = [0, 1, 2, 5, 1000, 1001, 5000];

const SETTINGS: [&str; 4] = [
    "/proc/sys/fs/protected_regular",
    "/proc/sys/fs/protected_fifos",
    "/proc/sys/fs/protected_symlinks",
    "/proc/sys/fs/protected_hardlinks",
];

/// The values of [`SETTINGS`] before the scene, which are those of the machine. Dropping this
/// restores them.
struct Settings(Vec<(&'static str, String)>);

impl Settings {
    fn read() -> Result<Self, Failure> {
        let read = |file| Ok((file, fs::read_to_string(file).context(file)?));
        SETTINGS
            .into_iter()
            .map(read)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    fn restore(&self) -> Result<(), Failure> {
        let mut restored = Ok(());
        for (file, value) in &self.0 {
            restored = restored.and(fs::write(file, value).context(file));
        }
        restored
    }
}

impl Drop for Settings {
    fn drop(&mut self) {
        let _ = self.restore();
    }
}

/// The counts of explanations.
#[derive(Default)]
struct Tally {
    asked: u32,
    /// The number of results whose stored ids were compared.
    stored: u32,
    /// How often each answer came up.
    answers: BTreeMap<String, u32>,
    /// How often nothing was tried, as something would have been changed.
    untried: u32,
    /// Wrong explanations, with the result.
    wrong: Vec<String>,
}

pub(crate) fn run(fixture: &mut Fixture) -> Result<(), Failure> {
    let Effort { seed, worlds } = fixture.effort;
    let settings = Settings::read()?;
    let disk = fixture.disk(|_| Ok(()))?;
    let target = fixture.directory("seen")?;
    let mut tally = Tally::default();
    // Others on each filesystem.
    let letters = fixture.filesystem.name.bytes();
    let seed = letters.fold(seed, |seed, letter| {
        seed.wrapping_mul(31).wrapping_add(u64::from(letter))
    });
    let mut rng = Rng::new(seed);
    let mut asked = ask_all(
        &mut rng,
        &Told::default(),
        &disk,
        &target,
        &mut tally,
        worlds,
    );
    if fixture.filesystem == TMPFS {
        let foreign = fixture.directory("foreign")?;
        let told = foreign::mount(&mut rng, &foreign)?;
        fixture
            .say("and a tmpfs that was mounted in a user namespace, so that it has a map itself");
        asked = asked.and_then(|()| {
            ask_all(
                &mut rng,
                &told,
                &foreign,
                &target,
                &mut tally,
                worlds.div_ceil(4),
            )
        });
    }
    let restored = settings.restore();
    asked?;
    restored?;

    let answers = tally.answers.iter();
    let answers: Vec<String> = answers
        .map(|(name, count)| format!("{count} x {name}"))
        .collect();
    fixture.say(&answers.join(", "));
    // Else too little was tried to mean anything.
    let often_enough = (worlds / 5).max(1);
    for answer in [
        "it works",
        "EACCES",
        "EPERM",
        "EOVERFLOW",
        "EROFS",
        "EINVAL",
        "ENOENT",
    ] {
        let often = tally
            .answers
            .get(answer)
            .is_some_and(|count| *count >= often_enough);
        fixture.check(
            &format!("{answer} came up often enough"),
            Ok(often),
            Ok(true),
        );
    }
    fixture.check(
        "what is stored was compared often enough",
        Ok(tally.stored >= worlds),
        Ok(true),
    );
    fixture.check(
        "most was tried",
        Ok(tally.untried < tally.asked / 3),
        Ok(true),
    );
    let what = format!("of {} explanations, wrong are", tally.asked);
    // Only the first few are shown.
    tally.wrong.truncate(5);
    fixture.check(&what, Ok(tally.wrong), Ok(Vec::new()));
    Ok(())
}

fn ask_all(
    rng: &mut Rng,
    told: &Told,
    disk: &Path,
    target: &Path,
    tally: &mut Tally,
    worlds: u32,
) -> Result<(), Failure> {
    for number in 0..worlds {
        for file in &SETTINGS[..2] {
            fs::write(file, rng.below(3).to_string()).context(file)?;
        }
        for file in &SETTINGS[2..] {
            fs::write(file, rng.below(2).to_string()).context(file)?;
        }
        let world = World::new(rng, number, &disk.join(number.to_string()))?;
        world.mount(target)?;
        if world.is_btrfs() && number == worlds / 2 {
            allow_deletion(disk)?;
        }
        let explainer = Explainer::new(told.clone());
        for _ in 0..CALLERS {
            let caller = caller(rng)?;
            let stand = Stand::new(&caller).context(format_args!("becoming {caller:?}"))?;
            for _ in 0..QUESTIONS {
                let (name, operation) = world.question(rng, target);
                let place = format!("world {number}: {operation} of {name}");
                let request = Request {
                    caller: &caller,
                    operation,
                    path: target.join(name),
                };
                ask(&explainer, &request, &stand, &place, &world, tally).context(place)?;
            }
        }
        unmount(target, false).context("unmounting")?;
    }
    Ok(())
}

/// Lets users delete their subvolumes from here on.
fn allow_deletion(disk: &Path) -> Result<(), Failure> {
    let flags = MountFlags::empty();
    mount_remount(disk, flags, "user_subvol_rm_allowed").context("remounting btrfs")
}

fn ask(
    explainer: &Explainer,
    request: &Request<'_>,
    stand: &Stand,
    place: &str,
    world: &World,
    tally: &mut Tally,
) -> Result<(), idmap::Error> {
    let explanation = explainer.explain(request)?;
    tally.asked += 1;
    let attempted = match stand.attempt(explainer, request) {
        // Operations that cannot be tried without a change are left out.
        Err(error) if error.step == Step::Try => {
            tally.untried += 1;
            return Ok(());
        }
        attempted => attempted?,
    };
    let answer = match attempted.answer {
        Ok(()) => "it works".to_owned(),
        Err(errno) if errno_name(errno).is_empty() => errno.to_string(),
        Err(errno) => errno_name(errno).to_owned(),
    };
    *tally.answers.entry(answer).or_default() += 1;
    tally.stored += u32::from(attempted.after.is_some() && explanation.after.is_some());
    if !explanation.is_like(&attempted) {
        let caller = request.caller;
        let groups: Vec<u32> = caller.groups().collect();
        tally.wrong.push(format!(
            "\n      {place} by {:?} and {groups:?} with {:x}, through {}:\n        \
             foreseen was {:?} {:?} for {:?}\n        and it was {attempted:?}, of {:?}\n",
            caller.ids(),
            caller.capabilities(),
            world.map(),
            explanation.answer,
            explanation.after,
            explanation.asked.last(),
            explanation.sight
        ));
    }
    Ok(())
}

/// Returns a random caller, here or in a user namespace.
fn caller(rng: &mut Rng) -> Result<Caller, Failure> {
    let userns = if rng.once_in(2) {
        UserNsView::ours().context("looking at the own user namespace")?
    } else {
        let maps = world::maps(rng, true);
        let text = maps.clone();
        let maps: IdMaps = maps.parse().context(&text)?;
        let userns = UserNs::new(&maps).context(&text)?;
        UserNsView::new(userns, maps).context(&text)?
    };
    // Only some of the ids have a name there.
    let caller = (0..100).find_map(|_| {
        let user = match rng.below(3) {
            0 => 0,
            _ => rng.pick(&IDS),
        };
        let group = rng.pick(&IDS);
        let count = rng.below(3);
        let groups: Vec<u32> = (0..count).map(|_| rng.pick(&IDS)).collect();
        Caller::in_namespace(userns.clone(), user, group, &groups).ok()
    });
    let caller =
        caller.ok_or_else(|| Failure::Failed("nobody can be in the user namespace".to_owned()))?;
    Ok(match rng.below(3) {
        // CAP_CHOWN to CAP_FSETID, CAP_SYS_ADMIN, CAP_SETFCAP. Other callers keep the capabilities
        // of their user id.
        0 => {
            let some = [1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 21, 1 << 31];
            let chosen = some.iter().filter(|_| rng.once_in(2));
            caller.with_capabilities(chosen.sum())
        }
        _ => caller,
    })
}
