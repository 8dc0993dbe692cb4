// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What was asked on the way to an answer.

use kernel::fs::permission::CheckResult;
use rustix::io::Errno;

use super::node::errno;
use crate::error::Error;

/// A question that the kernel asks, and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The function of the kernel that asks.
    pub rule: &'static str,
    /// What is wanted.
    pub what: String,
    /// The error number and the reason of a refusal.
    pub refusal: Option<(Errno, String)>,
}

/// The answer is no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused(pub(super) Errno);

/// Why an explanation comes to an end.
pub(super) enum Stop {
    /// It is complete: the answer is no.
    Refused(Refused),
    /// Something that is needed is not known.
    Unknown(Error),
}

impl Stop {
    /// A lookup that has failed, after the step that says so.
    pub(super) fn nowhere() -> Self {
        Self::Refused(Refused(Errno::NOENT))
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Unknown(error)
    }
}

/// The questions so far.
#[derive(Debug, Default)]
pub(super) struct Trace {
    pub(super) asked: Vec<Asked>,
}

impl Trace {
    /// Notes a verdict; `why` gives the reason of a refusal.
    pub(super) fn decide<T>(
        &mut self,
        rule: &'static str,
        what: impl FnOnce() -> String,
        verdict: CheckResult<T>,
        why: impl FnOnce() -> String,
    ) -> Result<T, Stop> {
        match verdict {
            Ok(value) => {
                self.asked.push(Asked {
                    rule,
                    what: what(),
                    refusal: None,
                });
                Ok(value)
            }
            Err(denied) => self.refuse(rule, what(), errno(denied), why()),
        }
    }

    /// Notes a refusal.
    pub(super) fn refuse<T>(
        &mut self,
        rule: &'static str,
        what: String,
        errno: Errno,
        why: String,
    ) -> Result<T, Stop> {
        self.asked.push(Asked {
            rule,
            what,
            refusal: Some((errno, why)),
        });
        Err(Stop::Refused(Refused(errno)))
    }

    /// Refuses if `refused`.
    pub(super) fn refuse_if(
        &mut self,
        refused: bool,
        rule: &'static str,
        what: &str,
        errno: Errno,
        why: &str,
    ) -> Result<(), Stop> {
        if refused {
            self.refuse(rule, what.to_owned(), errno, why.to_owned())
        } else {
            Ok(())
        }
    }
}
