// SPDX-License-Identifier: GPL-2.0

//! Options in the manner of mount(8).

use std::fmt;

use idmap::{Atime, Attribute, IdmappedMount, Propagation, RangeError};

use crate::cli::Map;

/// A list of options.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// `X-mount.idmap=`.
    pub(crate) map: Option<Map>,
    attributes: Vec<(Attribute, bool)>,
    atime: Option<Atime>,
    propagation: Option<Propagation>,
    recursive: bool,
}

/// Why a text is no list of options.
#[derive(Debug)]
pub(crate) enum OptionsError {
    Map(RangeError),
    Unknown(String),
}

impl fmt::Display for OptionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Map(error) => error.fmt(f),
            Self::Unknown(word) => write!(
                f,
                "'{word}' is no option of an idmapped mount; there are X-mount.idmap=MAP, ro, \
                 nosuid, nodev, noexec, nosymfollow, nodiratime, their opposites rw, suid, dev, \
                 exec, symfollow, diratime, and noatime, relatime, strictatime, private, shared, \
                 slave, unbindable, bind, rbind"
            ),
        }
    }
}

impl std::error::Error for OptionsError {}

impl Options {
    /// Reads options with commas between them.
    pub(crate) fn parse(text: &str) -> Result<Self, OptionsError> {
        let mut options = Self::default();
        for word in text.split(',').filter(|word| !word.is_empty()) {
            if let Some(map) = word.strip_prefix("X-mount.idmap=") {
                let map = map.trim_matches('"');
                options.map = Some(Map::parse(map).map_err(OptionsError::Map)?);
                continue;
            }
            const ATTRIBUTES: [(&str, &str, Attribute); 6] = [
                ("ro", "rw", Attribute::ReadOnly),
                ("nosuid", "suid", Attribute::NoSuid),
                ("nodev", "dev", Attribute::NoDev),
                ("noexec", "exec", Attribute::NoExec),
                ("nosymfollow", "symfollow", Attribute::NoSymfollow),
                ("nodiratime", "diratime", Attribute::NoDirAtime),
            ];
            let named = |(on, off, _): &&(&str, &str, _)| word == *on || word == *off;
            if let Some((on, _, attribute)) = ATTRIBUTES.iter().find(named) {
                options.attributes.retain(|(other, _)| other != attribute);
                options.attributes.push((*attribute, word == *on));
                continue;
            }
            match word {
                "noatime" => options.atime = Some(Atime::Never),
                "relatime" => options.atime = Some(Atime::Relative),
                "strictatime" => options.atime = Some(Atime::Strict),
                "private" => options.propagation = Some(Propagation::Private),
                "shared" => options.propagation = Some(Propagation::Shared),
                "slave" => options.propagation = Some(Propagation::Slave),
                "unbindable" => options.propagation = Some(Propagation::Unbindable),
                "bind" => {}
                "rbind" => options.recursive = true,
                _ => return Err(OptionsError::Unknown(word.to_owned())),
            }
        }
        Ok(options)
    }

    /// Asks a mount for all but the map.
    pub(crate) fn apply<'a>(&self, mut mount: IdmappedMount<'a>) -> IdmappedMount<'a> {
        for (attribute, on) in &self.attributes {
            mount = match on {
                true => mount.set(*attribute),
                false => mount.clear(*attribute),
            };
        }
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
        let options = Options::parse("rbind,ro,nosuid,X-mount.idmap=\"b:0:1:1 u:5:6:7\",slave");
        let options = options.unwrap();
        let expected = [(Attribute::ReadOnly, true), (Attribute::NoSuid, true)];
        assert_eq!(options.attributes, expected);
        assert_eq!(options.propagation, Some(Propagation::Slave));
        assert!(options.recursive);
        let ranges = ["b:0:1:1", "u:5:6:7"].map(|range| range.parse().unwrap());
        assert_eq!(options.map, Some(Map::Ranges(ranges.to_vec())));
    }

    #[test]
    fn the_last_of_opposites_counts() {
        let options = Options::parse("ro,noatime,exec,rw,strictatime").unwrap();
        let expected = [(Attribute::NoExec, false), (Attribute::ReadOnly, false)];
        assert_eq!(options.attributes, expected);
        assert_eq!(options.atime, Some(Atime::Strict));
    }

    #[test]
    fn what_is_no_option_is_named() {
        let error = |text| Options::parse(text).unwrap_err().to_string();
        assert!(error("ro,loud").contains("'loud' is no option"));
        assert!(error("X-mount.idmap=b:0:1").contains("three numbers"));
    }
}
