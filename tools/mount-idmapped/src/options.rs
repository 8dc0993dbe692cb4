// SPDX-License-Identifier: GPL-2.0

//! Options in the manner of mount(8).

use std::fmt;

use idmap::{Atime, Attributes, IdmappedMount, Propagation};

use crate::maps::{Map, MapError};

/// A list of options.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// Each `idmap=` and `X-mount.idmap=`.
    pub(crate) maps: Vec<Map>,
    /// `X-mount.mkdir`, with the mode of the directory.
    pub(crate) mkdir: Option<u32>,
    /// The source is an image file.
    pub(crate) is_loop: bool,
    set: Attributes,
    clear: Attributes,
    atime: Option<Atime>,
    propagation: Option<Propagation>,
    recursive: bool,
}

/// Why a text is no list of options.
#[derive(Debug)]
pub(crate) enum OptionsError {
    Map(MapError),
    Mode(String),
    /// It is one of mount(8) that means something else than an idmapped mount.
    Other(String, &'static str),
    Unknown(String),
}

impl fmt::Display for OptionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Map(error) => error.fmt(f),
            Self::Mode(word) => write!(f, "in '{word}', the mode must be octal digits"),
            Self::Other(word, why) => write!(f, "'{word}': {why}"),
            Self::Unknown(word) => write!(
                f,
                "'{word}' is no option of an idmapped mount; there are idmap=MAP, X-mount.mkdir, \
                 ro, nosuid, nodev, noexec, nosymfollow, nodiratime, their opposites rw, suid, \
                 dev, exec, symfollow, diratime, and noatime, relatime, strictatime, [r]private, \
                 [r]shared, [r]slave, [r]unbindable, bind, rbind, loop"
            ),
        }
    }
}

impl std::error::Error for OptionsError {}

const ATTRIBUTES: [(&str, &str, Attributes); 6] = [
    ("ro", "rw", Attributes::READ_ONLY),
    ("nosuid", "suid", Attributes::NO_SUID),
    ("nodev", "dev", Attributes::NO_DEV),
    ("noexec", "exec", Attributes::NO_EXEC),
    ("nosymfollow", "symfollow", Attributes::NO_SYMFOLLOW),
    ("nodiratime", "diratime", Attributes::NO_DIR_ATIME),
];

/// Options that mount(8) and systemd have for themselves.
const PASSED_OVER: [&str; 12] = [
    "defaults", "auto", "noauto", "user", "nouser", "users", "nousers", "owner", "group", "nofail",
    "_netdev", "silent",
];

impl Options {
    /// Reads options with commas between them, of which the last of opposites counts.
    pub(crate) fn parse(text: &str) -> Result<Self, OptionsError> {
        let mut options = Self::default();
        for word in text.split(',').filter(|word| !word.is_empty()) {
            options.add(word)?;
        }
        Ok(options)
    }

    /// Reads the lists of all `-o` as one.
    pub(crate) fn parse_all(lists: &[String]) -> Result<Self, OptionsError> {
        Self::parse(&lists.join(","))
    }

    fn add(&mut self, word: &str) -> Result<(), OptionsError> {
        let map = ["idmap=", "X-mount.idmap="];
        if let Some(map) = map.iter().find_map(|option| word.strip_prefix(option)) {
            let map = Map::parse(map.trim_matches('"')).map_err(OptionsError::Map)?;
            self.maps.push(map);
            return Ok(());
        }
        if let Some((on, _, attribute)) = ATTRIBUTES
            .iter()
            .find(|(on, off, _)| word == *on || word == *off)
        {
            let is_on = word == *on;
            self.set.set(*attribute, is_on);
            self.clear.set(*attribute, !is_on);
            return Ok(());
        }
        if let Some(mode) = word.strip_prefix("X-mount.mkdir") {
            let mode = match mode.strip_prefix('=').map(|mode| mode.trim_matches('"')) {
                None | Some("") => Some(0o755),
                Some(mode) => u32::from_str_radix(mode, 8).ok(),
            };
            let mode = mode.filter(|mode| *mode <= 0o7777);
            self.mkdir = Some(mode.ok_or_else(|| OptionsError::Mode(word.to_owned()))?);
            return Ok(());
        }
        match word {
            "noatime" => self.atime = Some(Atime::Never),
            "relatime" => self.atime = Some(Atime::Relative),
            "strictatime" => self.atime = Some(Atime::Strict),
            "private" | "rprivate" => self.propagation = Some(Propagation::Private),
            "shared" | "rshared" => self.propagation = Some(Propagation::Shared),
            "slave" | "rslave" => self.propagation = Some(Propagation::Slave),
            "unbindable" | "runbindable" => self.propagation = Some(Propagation::Unbindable),
            "bind" => {}
            "rbind" => self.recursive = true,
            _ if PASSED_OVER.contains(&word) || word.starts_with("comment=") => {}
            "remount" => {
                let why = "a mount gets another map by 'mount --replace'";
                return Err(OptionsError::Other(word.to_owned(), why));
            }
            "loop" => self.is_loop = true,
            _ if word.starts_with("loop=") => {
                let why =
                    "the loop device is chosen by mount(8): give 'loop', or the device as source";
                return Err(OptionsError::Other(word.to_owned(), why));
            }
            _ if word.starts_with("X-mount.") => {
                let why = "this is an option of mount(8) alone";
                return Err(OptionsError::Other(word.to_owned(), why));
            }
            _ if word.starts_with("x-") || word.starts_with("X-") => {}
            _ => return Err(OptionsError::Unknown(word.to_owned())),
        }
        Ok(())
    }

    /// Whether nothing is written through the mount.
    pub(crate) fn is_read_only(&self) -> bool {
        self.set.contains(Attributes::READ_ONLY)
    }

    /// Gives a mount all options but the map.
    pub(crate) fn apply<'a>(&self, mount: IdmappedMount<'a>) -> IdmappedMount<'a> {
        let mut mount = mount.set(self.set).clear(self.clear);
        if let Some(atime) = self.atime {
            mount = mount.atime(atime);
        }
        if let Some(propagation) = self.propagation {
            mount = mount.propagation(propagation);
        }
        if self.recursive {
            mount.recursive(true)
        } else {
            mount
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read() {
        let options = Options::parse("rbind,ro,nosuid,X-mount.idmap=\"b:0:1:1 u:5:6:7\",rslave");
        let options = options.unwrap();
        assert_eq!(options.set, Attributes::READ_ONLY | Attributes::NO_SUID);
        assert_eq!(options.propagation, Some(Propagation::Slave));
        assert!(options.recursive);
        let ranges = ["b:0:1:1", "u:5:6:7"].map(|range| range.parse().unwrap());
        assert_eq!(options.maps, [Map::Ranges(ranges.to_vec())]);
    }

    #[test]
    fn the_last_of_opposites_counts() {
        let options = Options::parse("ro,noatime,exec,rw,strictatime").unwrap();
        assert_eq!(options.set, Attributes::empty());
        assert_eq!(options.clear, Attributes::NO_EXEC | Attributes::READ_ONLY);
        assert_eq!(options.atime, Some(Atime::Strict));
        let options = Options::parse_all(&["ro".to_owned(), "rw,ro".to_owned()]).unwrap();
        assert_eq!(options.set, Attributes::READ_ONLY);
        assert_eq!(options.clear, Attributes::empty());
    }

    #[test]
    fn maps_add_up() {
        let options = Options::parse("X-mount.idmap=b:1:2:1,idmap=b:5:6:1").unwrap();
        assert_eq!(options.maps.len(), 2);
    }

    #[test]
    fn options_of_mount_and_systemd_are_passed_over() {
        let line = "defaults,nofail,noauto,_netdev,user,x-systemd.automount,X-fstrim.notrim,\
                    x-gvfs-hide,comment=a,X-mount.mkdir=0700";
        assert_eq!(Options::parse(line).unwrap().mkdir, Some(0o700));
        assert_eq!(Options::parse("X-mount.mkdir").unwrap().mkdir, Some(0o755));
        for (word, words) in [
            ("loop=/dev/loop7", "is chosen by mount(8)"),
            ("remount", "mount --replace"),
            ("X-mount.owner=5", "of mount(8) alone"),
            ("X-mount.mkdir=9", "octal digits"),
            ("ro,loud", "'loud' is no option"),
            ("idmap=b:0:1", "three numbers"),
        ] {
            let error = Options::parse(word).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
