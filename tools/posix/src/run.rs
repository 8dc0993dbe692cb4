// SPDX-License-Identifier: GPL-2.0

//! Runs parts, each in a process of its own, some of them in a user namespace.

use std::{
    error::Error,
    io::{Write, stdout},
    process::Command,
};

use clap::ValueEnum;

use crate::{
    battery, ktap,
    place::{self, Manner},
};

/// A part of the tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Each call and each error of it, as root
    Plain,
    /// The same through an idmapped mount
    Idmapped,
    /// The same, mounted in a user namespace
    Userns,
    /// The same, mounted in a user namespace, through an idmapped mount
    UsernsIdmapped,
}

/// How long the parts take that may take long.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Effort {
    /// Only tests whose name begins with this
    #[arg(long, default_value = "")]
    pub(crate) only: String,
}

impl Effort {
    /// As the arguments that it was read from.
    fn arguments(&self) -> [String; 2] {
        ["--only".to_owned(), self.only.clone()]
    }
}

impl Part {
    fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }

    fn in_userns(self) -> bool {
        matches!(self, Self::Userns | Self::UsernsIdmapped)
    }

    /// Runs it in this process, which is where it belongs; the answer is whether all is well.
    pub(crate) fn run(self, kind: &str, effort: &Effort) -> Result<bool, Box<dyn Error>> {
        crate::sys::unshare_mounts()?;
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
        let battery = |manner| battery::run(kind, manner, &effort.only);
        match self {
            Self::Plain => battery(Manner::Plain),
            Self::Idmapped => battery(Manner::Idmapped),
            Self::Userns => battery(Manner::Userns),
            Self::UsernsIdmapped => battery(Manner::UsernsIdmapped),
        }
    }
}

/// Runs parts on each type of filesystem; the answer is whether all is well.
pub(crate) fn all(
    kinds: &[String],
    parts: &[Part],
    effort: &Effort,
) -> Result<bool, Box<dyn Error>> {
    let parts = match parts {
        [] => Part::value_variants(),
        some => some,
    };
    println!("KTAP version 1\n1..{}", kinds.len() * parts.len());
    let userns = place::userns()?;
    let mut good = true;
    let mut number = 0;
    for kind in kinds {
        for part in parts {
            number += 1;
            let program = "/proc/self/exe";
            let mut command = match part.in_userns() {
                true => userns.command(program)?,
                false => Command::new(program),
            };
            stdout().flush()?;
            let name = part.name();
            let status = command
                .args(["part", kind, &name])
                .args(effort.arguments())
                .status()?
                .success();
            good &= status;
            println!("{} {number} {kind}.{name}", ktap::verdict(status));
        }
    }
    Ok(good)
}
