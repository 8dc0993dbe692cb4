// SPDX-License-Identifier: GPL-2.0

//! A filesystem that the user names: `TYPE`, `TYPE:DEVICE` or `TYPE:OPTIONS`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::filesystem::{
    self, find_program, is_registered, make_image, program, Feature, Filesystem,
};
use crate::ktap::{failed, Context, Failure, Outcome};
use crate::probe;

/// The size of an image, which is enough for the smallest filesystem of each type known today.
const IMAGE: u64 = 300 << 20;

/// The filesystem, before it is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    name: String,
    source: Source,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    /// A new filesystem.
    New,
    /// An existing filesystem on a device.
    Device(PathBuf),
    /// A new filesystem that is mounted with these options.
    Options(String),
}

/// Where tests run that have filesystems of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// One of their own filesystems.
    Known(Filesystem),
    /// A filesystem that the user names, with the text that names it.
    Named(Target, &'static str),
}

impl Place {
    /// Parses the name of a known filesystem, or `TYPE[:DEVICE|:OPTIONS]`.
    pub fn parse(text: &str, known: &[Filesystem]) -> Result<Self, Failure> {
        if let Some(known) = known.iter().find(|known| known.name == text) {
            return Ok(Self::Known(*known));
        }
        let target = Target::parse(text)?;
        // Reports refer to the text up to the end of the program.
        Ok(Self::Named(target, text.to_owned().leak()))
    }

    /// Returns the name for reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Known(filesystem) => filesystem.name,
            Self::Named(_, text) => text,
        }
    }
}

/// The filesystem, mounted. It is unmounted with the mount namespace.
pub struct Mounted {
    /// The type, with the features that it lacks here.
    pub filesystem: Filesystem,
    /// The directory to test in.
    pub directory: PathBuf,
    /// Whether the directory is to be removed from the device.
    remove: bool,
}

impl Target {
    /// Parses `TYPE[:DEVICE|:OPTIONS]`. A device is an absolute path.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let (name, rest) = text.split_once(':').unwrap_or((text, ""));
        if name.is_empty() {
            return Err(failed(format_args!(
                "'{text}' names no filesystem; TYPE, TYPE:/DEVICE or TYPE:OPTIONS is needed"
            )));
        }
        let source = match rest {
            "" => Source::New,
            device if device.starts_with('/') => Source::Device(device.into()),
            options => Source::Options(options.to_owned()),
        };
        Ok(Self {
            name: name.to_owned(),
            source,
        })
    }

    /// Makes the filesystem, unless it is on a device, mounts it below `root`, and finds out which
    /// features it lacks.
    pub fn mount(&self, root: &Path) -> Result<Mounted, Failure> {
        let name = &self.name;
        if !is_registered(name) {
            // Fails if there is no such module, which the next test detects.
            let _ = program(&["modprobe", name]);
        }
        if !is_registered(name) {
            return Err(failed(format_args!(
                "this kernel has no filesystem {name}, built in or as a module"
            )));
        }
        let known = filesystem::find(name).ok();
        let in_memory = filesystem::needs_no_device(name);
        let point = root.join("disk");
        fs::create_dir_all(&point).context(point.display())?;
        let options = known.map_or("", |known| known.options);
        let mount = |source: &Path, options: &str| -> Outcome {
            let options = format!("rw{options}");
            let (source, point) = (source.to_string_lossy(), point.to_string_lossy());
            program(&["mount", "-t", name, "-o", &options, &source, &point])
        };
        let mut remove = false;
        let mut directory = point.clone();
        match (&self.source, known) {
            (Source::Device(device), _) => {
                mount(device, options)?;
                // Files of the user stay untouched.
                directory = point.join(format!("rust_idmap-{}", std::process::id()));
                fs::create_dir(&directory).context(directory.display())?;
                remove = true;
            }
            (Source::New, Some(known)) => directory = known.mount(root)?,
            (source, _) => {
                let own = match source {
                    Source::Options(own) => format!("{options},{own}"),
                    _ => options.to_owned(),
                };
                if in_memory {
                    mount(Path::new(name), &own)?;
                } else {
                    let image = root.join("image");
                    let (mkfs, size) = match known.and_then(|known| known.mkfs) {
                        Some((mkfs, size)) => (mkfs.to_owned(), size),
                        None => (mkfs(name)?, IMAGE),
                    };
                    make_image(&image, &mkfs, size)?;
                    mount(&image, &format!("{own},loop"))?;
                }
            }
        }
        let mut lacks = probe::lacks(&directory)?;
        if in_memory {
            lacks.push(Feature::Cache);
        }
        Ok(Mounted {
            // The names of the tests refer to it up to the end of the program.
            filesystem: Filesystem {
                name: name.clone().leak(),
                mkfs: None,
                options: "",
                lacks: lacks.leak(),
            },
            directory,
            remove,
        })
    }
}

impl Mounted {
    /// Removes what the tests have created on a device.
    pub fn remove(&self) -> Outcome {
        if !self.remove {
            return Ok(());
        }
        fs::remove_dir_all(&self.directory).context(self.directory.display())
    }
}

/// Returns the program that makes a filesystem of a type that the table does not have.
fn mkfs(name: &str) -> Result<String, Failure> {
    let program = format!("mkfs.{name}");
    if !find_program(&program) {
        return Err(failed(format_args!(
            "{program} is not installed; name a device with a filesystem: --on={name}:/dev/..."
        )));
    }
    let options = match name {
        "jfs" => " -q",
        "f2fs" => " -q -f",
        _ => "",
    };
    Ok(program + options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_device_and_options_are_told_apart() {
        let source = |text: &str| Target::parse(text).unwrap().source;
        assert_eq!(source("jfs"), Source::New);
        assert_eq!(source("jfs:/dev/vdb"), Source::Device("/dev/vdb".into()));
        assert_eq!(
            source("tmpfs:size=1m"),
            Source::Options("size=1m".to_owned())
        );
        assert!(Target::parse(":/dev/vdb").is_err());
        assert!(Target::parse("").is_err());
    }

    #[test]
    fn known_names_come_before_types() {
        let known = [filesystem::TMPFS];
        let place = |text: &str| Place::parse(text, &known).unwrap();
        assert_eq!(place("tmpfs"), Place::Known(filesystem::TMPFS));
        for text in ["minix", "tmpfs:size=1m", "ext4:/dev/vdb"] {
            let expected = Place::Named(Target::parse(text).unwrap(), text);
            assert_eq!(place(text), expected);
            assert_eq!(place(text).name(), text);
        }
        let error = Place::parse(":/dev/vdb", &known).unwrap_err();
        assert!(error.to_string().contains("TYPE:/DEVICE"), "{error}");
    }

    #[test]
    fn unknown_type_is_named() {
        let target = Target::parse("no_such_type").unwrap();
        let error = target.mount(Path::new("/nonexistent")).err().unwrap();
        assert!(error.to_string().contains("no_such_type"), "{error}");
    }
}
