// SPDX-License-Identifier: GPL-2.0

//! The configuration of the kernel, which consists of fragments, and the check
//! that kbuild has set each of their options.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::arch::Arch;
use super::matrix::{Base, Line};
use crate::lab::{Flavour, Lab};

/// The directory of the fragments.
const DIR: &str = "tools/lab/config";

/// A value of an option, and the fragment that sets it.
#[derive(Debug, PartialEq, Eq)]
struct Setting {
    value: String,
    fragment: String,
}

/// The options of all fragments.
pub(crate) struct Settings(BTreeMap<String, Setting>);

impl Settings {
    /// Reads the fragments for a guest's kernel of a series, such as 7.3. A later
    /// fragment overrides an earlier one.
    pub(crate) fn read(lab: &Lab, series: &str, flavour: &Flavour) -> Result<Self> {
        let engine = format!("engine-{}.config", flavour.engine);
        let series = format!("{series}.config");
        let tests = format!("kunit-{series}");
        // Unit tests alone need no disks, network or security modules. With sanitizers they share
        // the objects of the other guests.
        let arch = format!("arch/{}.config", lab.arch);
        let guest = format!("arch/{}-guest.config", lab.arch);
        let only_tests = flavour.kunit && flavour.sanitizers.is_empty();
        let base: &[&str] = match (lab.arch, only_tests) {
            (Arch::X86, true) => &["kunit-base.config"],
            (Arch::X86, false) => &["base.config", &guest, "filesystems.config"],
            (Arch::Arm64 | Arch::Riscv, false) => {
                &["base.config", &arch, &guest, "filesystems.config"]
            }
            (Arch::Um, _) | (_, true) => &["tiny.config", &arch],
            (other, false) => bail!("{other}: there is no guest, only unit tests are run there"),
        };
        let usual = ["rust.config", &series, &engine];
        let usual = base.iter().chain(&usual).map(|name| (*name).to_owned());
        let more = flavour.fragments().map(|name| format!("{name}.config"));
        // Not every series has all of the unit tests.
        let tests = lab.checkout.join(DIR).join(&tests);
        let tests = (flavour.kunit && tests.exists()).then(|| format!("kunit-{series}"));
        let mut settings = Self(BTreeMap::new());
        for name in usual.chain(more).chain(tests) {
            settings.read_fragment(lab, &name)?;
        }
        Ok(settings)
    }

    /// Reads the fragments for a line of the matrix.
    pub(crate) fn of_line(lab: &Lab, series: &str, line: &Line) -> Result<Self> {
        let mut settings = Self(BTreeMap::new());
        let arch = format!("arch/{}", line.arch);
        let base: &[&str] = match line.base {
            Base::Tiny => &["tiny", &arch, series],
            Base::Debian => &[],
        };
        for name in base {
            settings.read_fragment(lab, &format!("{name}.config"))?;
        }
        settings.add(line.name, &line.fragment())?;
        Ok(settings)
    }

    /// Adds the options of a fragment.
    fn read_fragment(&mut self, lab: &Lab, name: &str) -> Result<()> {
        let path = lab.checkout.join(DIR).join(name);
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        self.add(&format!("{DIR}/{name}"), &text)
    }

    fn add(&mut self, fragment: &str, text: &str) -> Result<()> {
        for (number, line) in text.lines().enumerate() {
            match setting(line) {
                Some((symbol, value)) => {
                    let setting = Setting {
                        value: value.to_owned(),
                        fragment: fragment.to_owned(),
                    };
                    self.0.insert(symbol.to_owned(), setting);
                }
                None if line.trim().is_empty() || line.starts_with('#') => {}
                None => bail!("{fragment}:{}: not a setting: {line}", number + 1),
            }
        }
        Ok(())
    }

    /// Removes an option.
    pub(crate) fn forget(&mut self, option: &str) {
        self.0.remove(&format!("CONFIG_{option}"));
    }

    /// Returns the options as text for KCONFIG_ALLCONFIG.
    pub(crate) fn text(&self) -> String {
        let line = |(symbol, setting): (&String, &Setting)| format!("{symbol}={}\n", setting.value);
        self.0.iter().map(line).collect()
    }

    /// Fails if a configuration does not have all options. The error names each
    /// missing one.
    pub(crate) fn check(&self, config: &Path) -> Result<()> {
        let text = fs::read_to_string(config)
            .with_context(|| format!("cannot read {}", config.display()))?;
        let lost = self.lost(&text);
        if !lost.is_empty() {
            bail!(
                "the kernel's configuration does not have the options of the fragments \
                 (a dependency is missing, or the symbol does not exist):\n{}",
                lost.join("\n")
            );
        }
        Ok(())
    }

    fn lost(&self, config: &str) -> Vec<String> {
        let got: BTreeMap<&str, &str> = config.lines().filter_map(setting).collect();
        let mut lost = Vec::new();
        for (symbol, setting) in &self.0 {
            let value = got.get(symbol.as_str()).copied().unwrap_or("n");
            if value != setting.value {
                let Setting {
                    value: want,
                    fragment,
                } = setting;
                lost.push(format!("  {symbol}={want} in {fragment}: became {value}"));
            }
        }
        lost
    }
}

/// Returns whether a configuration has an option, built in or as a module.
pub(crate) fn has(config: &str, option: &str) -> bool {
    config.lines().filter_map(setting).any(|(symbol, value)| {
        symbol.strip_prefix("CONFIG_") == Some(option) && matches!(value, "y" | "m")
    })
}

/// The symbol and value of a line.
fn setting(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    if let Some(rest) = line.strip_prefix("# ") {
        let symbol = rest.strip_suffix(" is not set")?;
        return symbol.starts_with("CONFIG_").then_some((symbol, "n"));
    }
    let (symbol, value) = line.split_once('=')?;
    symbol.starts_with("CONFIG_").then_some((symbol, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(fragments: &[(&str, &str)]) -> Settings {
        let mut settings = Settings(BTreeMap::new());
        for (name, text) in fragments {
            settings.add(name, text).unwrap();
        }
        settings
    }

    #[test]
    fn a_later_fragment_has_the_last_word() {
        let settings = settings(&[
            ("a", "# a comment\nCONFIG_A=y\nCONFIG_B=n\n"),
            ("b", "# CONFIG_A is not set\nCONFIG_S=\"x\"\n"),
        ]);
        assert_eq!(settings.text(), "CONFIG_A=n\nCONFIG_B=n\nCONFIG_S=\"x\"\n");
    }

    #[test]
    fn what_did_not_come_true_is_named_with_its_fragment() {
        let settings = settings(&[("a", "CONFIG_A=y\nCONFIG_B=n\nCONFIG_C=y\nCONFIG_D=n\n")]);
        let lost = settings.lost("CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_D=y\n");
        assert_eq!(
            lost,
            ["  CONFIG_C=y in a: became n", "  CONFIG_D=n in a: became y"]
        );
    }

    #[test]
    fn what_is_no_setting_is_refused() {
        let mut settings = Settings(BTreeMap::new());
        let error = settings.add("a", "\nCONFIG_A y\n").unwrap_err().to_string();
        assert_eq!(error, "a:2: not a setting: CONFIG_A y");
    }
}
