// SPDX-License-Identifier: GPL-2.0

//! Tests of the table of idmaps in use.

use super::fake::{
    FakeNamespace,
    Random, //
};
use crate::{
    alloc::flags::GFP_KERNEL,
    bindings,
    fs::mnt_idmapping::{
        in_use,
        MntIdmap, //
    },
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        Completion, //
    },
    uidgid::{
        Group,
        User, //
    },
    user_namespace::{
        UserNamespace,
        MAX_BASE_EXTENTS,
        MAX_EXTENTS, //
    },
    workqueue::{
        self,
        impl_has_work,
        new_work,
        Work,
        WorkItem, //
    },
};

/// The numbers of namespaces and of tasks.
const NAMESPACES: usize = 3;
const RACERS: usize = 4;
const ROUNDS: usize = 20_000;

fn idmap_of(ns: &FakeNamespace) -> Result<ARef<MntIdmap>> {
    // SAFETY: The fields of the namespace that an idmap is made from are valid.
    MntIdmap::new(unsafe { UserNamespace::from_raw(ns.as_ptr()) })
}

/// Checks whether an idmap is the one of a namespace, by its mapping of the first id.
fn is_of(idmap: &MntIdmap, ns: &FakeNamespace) -> bool {
    let extents = ns.extents::<User>();
    let mapped = |id| {
        // SAFETY: The idmap and the namespace are valid.
        unsafe {
            let kuid = bindings::kuid_t { val: id };
            bindings::make_vfsuid(idmap.as_ptr(), &raw mut bindings::init_user_ns, kuid).val
        }
    };
    extents
        .iter()
        .all(|extent| mapped(extent.first()) == extent.lower_first())
}

/// The objects that the tasks share.
struct Race {
    namespaces: [FakeNamespace; NAMESPACES],
    wrong: Atomic<i32>,
}

// SAFETY: The namespaces do not change any more.
unsafe impl Send for Race {}

// SAFETY: The namespaces do not change any more.
unsafe impl Sync for Race {}

/// A task that allocates idmaps and drops references.
#[pin_data]
struct Racer {
    race: Arc<Race>,
    number: usize,
    #[pin]
    done: Completion,
    #[pin]
    work: Work<Racer>,
}

impl_has_work! {
    impl HasWork<Self> for Racer { self.work }
}

impl Racer {
    fn new(race: Arc<Race>, number: usize) -> Result<Arc<Self>> {
        let racer = pin_init!(Self {
            race,
            number,
            done <- Completion::new(),
            work <- new_work!("Racer::work"),
        });
        Arc::pin_init(racer, GFP_KERNEL)
    }

    fn round(&self, round: usize) -> Result {
        let ns = &self.race.namespaces[(self.number + round) % NAMESPACES];
        let idmap = idmap_of(ns)?;
        let again = idmap_of(ns)?;
        if !is_of(&idmap, ns) || idmap.as_ptr() != again.as_ptr() {
            return Err(EDOM);
        }
        if round % 4 == 0 {
            Dropper::hand_over(idmap)?;
        }
        Ok(())
    }
}

impl WorkItem for Racer {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        for round in 0..ROUNDS {
            if this.round(round).is_err() {
                this.race.wrong.add(1, Relaxed);
            }
        }
        this.done.complete_all();
    }
}

/// Drops a reference in a softirq, as RCU callbacks do.
#[pin_data]
struct Dropper {
    idmap: ARef<MntIdmap>,
    #[pin]
    work: Work<Dropper>,
}

impl_has_work! {
    impl HasWork<Self> for Dropper { self.work }
}

impl Dropper {
    fn hand_over(idmap: ARef<MntIdmap>) -> Result {
        let dropper = pin_init!(Self {
            idmap,
            work <- new_work!("Dropper::work"),
        });
        let _ = workqueue::system_bh().enqueue(Arc::pin_init(dropper, GFP_KERNEL)?);
        Ok(())
    }
}

impl WorkItem for Dropper {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        drop(this);
    }
}

/// Waits until the softirqs have dropped their references: until there are `count` idmaps in use,
/// or for some seconds.
fn settles_at(count: usize) -> bool {
    (0..500).any(|_| {
        if in_use::count() == count {
            return true;
        }
        // SAFETY: Tests run in process context.
        unsafe { bindings::msleep(10) };
        false
    })
}

#[kunit_tests(rust_mnt_idmapping_in_use)]
mod suite {
    use super::*;

    /// A namespace has one idmap while there is a reference.
    #[test]
    fn namespace_has_one_idmap() -> Result {
        let before = in_use::count();
        let mut random = Random::new(11);
        for size in [1, MAX_BASE_EXTENTS, MAX_BASE_EXTENTS + 1, MAX_EXTENTS] {
            for alike in [true, false] {
                let ns = if alike {
                    FakeNamespace::alike(&mut random, size)?
                } else {
                    FakeNamespace::random(&mut random, size)?
                };
                let first = idmap_of(&ns)?;
                let second = idmap_of(&ns)?;
                assert_eq!(first.as_ptr(), second.as_ptr());
                assert_eq!(in_use::count(), before + 1);
                drop(first);
                assert!(is_of(&second, &ns));
                assert_eq!(in_use::count(), before + 1);
                drop(second);
                assert_eq!(in_use::count(), before);
            }
        }
        Ok(())
    }

    /// Two namespaces with equal maps have two idmaps.
    #[test]
    fn equal_namespaces_have_two_idmaps() -> Result {
        let [one, other] = [
            FakeNamespace::random(&mut Random::new(12), 3)?,
            FakeNamespace::random(&mut Random::new(12), 3)?,
        ];
        let (first, second) = (idmap_of(&one)?, idmap_of(&other)?);
        assert!(first.as_ptr() != second.as_ptr());
        assert!(is_of(&first, &other));
        Ok(())
    }

    /// A namespace has an idmap after its maps were written, and not before.
    #[test]
    fn unwritten_namespace_is_not_remembered() -> Result {
        let before = in_use::count();
        let mut ns = FakeNamespace::new()?;
        assert_eq!(idmap_of(&ns).map(|_| ()), Err(EINVAL));
        let written = FakeNamespace::random(&mut Random::new(13), 2)?;
        ns.set::<User>(written.extents::<User>())?;
        assert_eq!(idmap_of(&ns).map(|_| ()), Err(EINVAL));
        assert_eq!(in_use::count(), before);
        ns.set::<Group>(written.extents::<User>())?;
        assert!(is_of(&*idmap_of(&ns)?, &ns));
        assert_eq!(in_use::count(), before);
        Ok(())
    }

    /// A namespace has the same idmap after the idmaps of other namespaces were dropped.
    #[test]
    fn many_namespaces() -> Result {
        const COUNT: usize = 3000;
        let before = in_use::count();
        let mut random = Random::new(14);
        let mut namespaces = KVec::with_capacity(COUNT, GFP_KERNEL)?;
        let mut idmaps = KVec::with_capacity(COUNT, GFP_KERNEL)?;
        for _ in 0..COUNT {
            let ns = FakeNamespace::alike(&mut random, 1)?;
            idmaps.push(Some(idmap_of(&ns)?), GFP_KERNEL)?;
            namespaces.push(ns, GFP_KERNEL)?;
        }
        assert_eq!(in_use::count(), before + COUNT);
        let mut wrong = 0;
        for round in 0..COUNT {
            let dropped = random.below(COUNT as u32) as usize;
            idmaps[dropped] = None;
            let (ns, idmap) = (&namespaces[round], &idmaps[round]);
            let again = idmap_of(ns)?;
            let same = idmap
                .as_ref()
                .is_none_or(|old| old.as_ptr() == again.as_ptr());
            wrong += usize::from(!same || !is_of(&again, ns));
        }
        let left = idmaps.iter().filter(|idmap| idmap.is_some()).count();
        assert_eq!(wrong, 0);
        assert_eq!(in_use::count(), before + left);
        drop(idmaps);
        assert_eq!(in_use::count(), before);
        Ok(())
    }

    /// Tasks allocate the idmaps of a few namespaces, and drop them in process context and in
    /// softirqs.
    #[test]
    fn race() -> Result {
        let before = in_use::count();
        let mut random = Random::new(15);
        let race = Arc::new(
            Race {
                namespaces: [
                    FakeNamespace::alike(&mut random, 1)?,
                    FakeNamespace::random(&mut random, MAX_BASE_EXTENTS)?,
                    FakeNamespace::random(&mut random, MAX_BASE_EXTENTS + 1)?,
                ],
                wrong: Atomic::new(0),
            },
            GFP_KERNEL,
        )?;
        let mut racers = KVec::new();
        for number in 0..RACERS {
            racers.push(Racer::new(race.clone(), number)?, GFP_KERNEL)?;
        }
        for racer in &racers {
            let _ = workqueue::system_unbound().enqueue(racer.clone());
        }
        for racer in &racers {
            racer.done.wait_for_completion();
        }
        let settled = settles_at(before);
        assert_eq!(race.wrong.load(Relaxed), 0);
        assert!(settled);
        Ok(())
    }
}
