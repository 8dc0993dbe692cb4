// SPDX-License-Identifier: GPL-2.0

//! Scripts by which shells complete the words of the program.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::{Arguments, Tasks};

/// The script for a shell.
pub(crate) fn script(shell: Shell) -> Vec<u8> {
    // The tasks with the options of the plain form, which is only good for this.
    let tasks = Tasks::command();
    let plain = Arguments::command();
    // Its words are none of the tasks', and after them no script completes a task.
    let options = plain
        .get_arguments()
        .filter(|argument| !argument.is_positional());
    let mut both = tasks.clone().args(options.cloned());
    let mut script = Vec::new();
    if shell == Shell::Bash {
        // A dash in the name makes two kinds of names in the script, so that no task is found.
        let mut both = both.name("mount_idmapped");
        clap_complete::generate(shell, &mut both, "mount_idmapped", &mut script);
        let text = String::from_utf8_lossy(&script);
        return text
            .replace(" mount_idmapped\n", " mount-idmapped\n")
            .into_bytes();
    }
    clap_complete::generate(shell, &mut both, "mount-idmapped", &mut script);
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shells_learn_all_words() {
        for shell in <Shell as clap::ValueEnum>::value_variants() {
            let script = String::from_utf8(script(*shell)).unwrap();
            for word in ["map-mount", "explain", "shift", "mounted-in", "completions"] {
                assert!(script.contains(word), "{shell}: {word}");
            }
            // In bash, a task is completed only where its case has the name that is looked for.
            let name = "mount_idmapped__subcmd__list";
            let cases = [format!("cmd=\"{name}\""), format!(" {name})")];
            let is_found = cases.iter().all(|case| script.contains(case));
            assert!(*shell != Shell::Bash || is_found);
        }
    }
}
