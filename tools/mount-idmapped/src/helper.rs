// SPDX-License-Identifier: GPL-2.0

//! This program as `mount.idmapped`, which mount(8) runs for the filesystem type `idmapped`.

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use crate::{
    cli::MountArguments,
    run::{Failure, report},
    task,
};

/// Exit statuses of mount(8).
const USAGE: u8 = 1;
const FAILED: u8 = 32;

const HELP: &str = "\
Usage: mount.idmapped SOURCE TARGET [-fnsv] [-N NAMESPACE] [-t TYPE] [-o OPTIONS]

mount(8) runs this for lines of fstab(5) and units such as
  /srv/data  /mnt/data  idmapped  idmap=b:0:100000:65536,ro,nofail  0 0
See mount-idmapped(8).
";

/// Whether the program was started by the name of a helper.
pub(crate) fn is_meant(name: &OsString) -> bool {
    let name = PathBuf::from(name);
    name.file_name()
        .is_some_and(|name| name == "mount.idmapped")
}

/// Does what mount(8) wants done.
pub(crate) fn run(words: impl Iterator<Item = OsString>) -> ExitCode {
    let arguments = match read(words) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            let _ = task::print_lines(HELP);
            return ExitCode::SUCCESS;
        }
        Err(text) => {
            report("mount.idmapped", &Failure::Usage(text));
            return ExitCode::from(USAGE);
        }
    };
    if arguments.fake {
        return ExitCode::SUCCESS;
    }
    match task::mount(&arguments.mount) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            report("mount.idmapped", &failure);
            ExitCode::from(match failure {
                Failure::Usage(_) => USAGE,
                _ => FAILED,
            })
        }
    }
}

struct Arguments {
    mount: MountArguments,
    fake: bool,
}

/// Reads the words in the form that mount(8) has for helpers; [`None`] asks for help.
fn read(words: impl Iterator<Item = OsString>) -> Result<Option<Arguments>, String> {
    let mut words = words.peekable();
    let mut places: Vec<PathBuf> = Vec::new();
    let mut mount = MountArguments::default();
    let mut fake = false;
    while let Some(word) = words.next() {
        let text = word.to_string_lossy().into_owned();
        let Some(flags) = text.strip_prefix('-').filter(|flags| !flags.is_empty()) else {
            places.push(word.into());
            continue;
        };
        if matches!(&*text, "--help" | "-h") {
            return Ok(None);
        }
        let mut letters = flags.chars();
        while let Some(letter) = letters.next() {
            let mut value = || {
                let rest: String = letters.by_ref().collect();
                match rest.is_empty() {
                    false => Ok(rest),
                    true => words
                        .next()
                        .map(|word| word.to_string_lossy().into_owned())
                        .ok_or_else(|| format!("-{letter} needs a value")),
                }
            };
            match letter {
                // There is no mtab, and nothing more to be told.
                'n' | 's' | 'v' => {}
                'f' => fake = true,
                'o' => mount.options.push(value()?),
                'N' => mount.namespace = Some(value()?.into()),
                't' => drop(value()?),
                _ => return Err(format!("'-{letter}' is no option; see --help")),
            }
        }
    }
    let [source, target] = <[PathBuf; 2]>::try_from(places)
        .map_err(|places| format!("expected SOURCE and TARGET, got {} words", places.len()))?;
    (mount.source, mount.target) = (source, target);
    Ok(Some(Arguments { mount, fake }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Result<Option<Arguments>, String> {
        read(line.split(' ').map(OsString::from))
    }

    #[test]
    fn words_of_mount_are_read() {
        let arguments = words("/a /b -sfn -o ro,idmap=b:0:1:1 -N 12 -t idmapped.x");
        let arguments = arguments.unwrap().unwrap();
        assert!(arguments.fake);
        assert_eq!(arguments.mount.source, PathBuf::from("/a"));
        assert_eq!(arguments.mount.target, PathBuf::from("/b"));
        assert_eq!(arguments.mount.options, ["ro,idmap=b:0:1:1"]);
        assert_eq!(arguments.mount.namespace, Some("12".into()));
        let arguments = words("/a /b -vorw").unwrap().unwrap();
        assert_eq!(arguments.mount.options, ["rw"]);
        assert!(words("--help").unwrap().is_none());
        for (line, text) in [
            ("/a", "got 1"),
            ("/a /b /c", "got 3"),
            ("/a /b -o", "-o needs"),
            ("/a /b -x", "'-x' is no option"),
        ] {
            assert!(words(line).err().unwrap().contains(text), "{line}");
        }
    }

    #[test]
    fn the_name_decides() {
        assert!(is_meant(&"/usr/sbin/mount.idmapped".into()));
        assert!(!is_meant(&"mount-idmapped".into()));
    }
}
