// SPDX-License-Identifier: GPL-2.0

//! The task `explain`: asks the library, and prints what it says.

use std::{fmt::Write, io::stdout, path::Path, process::ExitCode};

use crate::{
    cli::ExplainArguments,
    list::{shown, string, visible},
    namespace,
    run::Failure,
    style::{Paint, Style},
    task::{print, print_lines},
    width::Width,
};
use idmap::{
    Error, Step, errno_name,
    explain::{
        Asked, Attempted, Caller, Column, Explainer, Explanation, Operation, Request, Sight, Stand,
        Told, UserNsView,
    },
};

/// The exit status where an attempt came out other than foreseen.
const DIFFERS: u8 = 3;
/// The exit status where an operation was not tried.
const UNTRIED: u8 = 4;
/// The exit status where an operation fails, if it is wanted.
const FAILS: u8 = 5;

/// An attempt at an operation.
enum Attempt {
    None,
    Done(Attempted),
    /// It was not made, for this reason.
    Refused(Error),
}

impl Attempt {
    fn differs(&self, explanation: &Explanation) -> bool {
        matches!(self, Self::Done(attempted) if !explanation.is_like(attempted))
    }
}

/// An operation, its explanation and the attempt at it.
type Answer = (Operation, Explanation, Attempt);

pub(crate) fn run(arguments: &ExplainArguments) -> Result<ExitCode, Failure> {
    namespace::enter_for(arguments.namespace.as_deref(), [&*arguments.path])?;
    let caller = caller(arguments)?;
    let explainer = explainer(arguments, &caller)?;
    let ask = |operation| Request {
        caller: &caller,
        operation,
        path: arguments.path.clone(),
    };
    let look = explainer.explain(&ask(Operation::Stat))?;
    let stand = match arguments.attempt {
        true => Some(Stand::new(&caller)?),
        false => None,
    };
    let mut answers = Vec::new();
    for operation in &arguments.operations {
        let target = explainer.lookup(&ask(operation.clone()))?;
        let explanation = explainer.check(&caller, operation, &target)?;
        let attempt = match &stand {
            Some(stand) => match stand.try_on(operation, &target) {
                Ok(attempted) => Attempt::Done(attempted),
                Err(error) if error.step == Step::Try => Attempt::Refused(error),
                Err(error) => return Err(error.into()),
            },
            None => Attempt::None,
        };
        answers.push((operation.clone(), explanation, attempt));
    }
    match arguments.json {
        true => print(&json(&caller, &look, &answers))?,
        false => {
            let (paint, width) = (Paint::for_stdout(), Width::of(stdout()));
            let path = &arguments.path;
            print_lines(&text(path, &caller, &look, &answers, paint, width))?;
        }
    }
    let any = |is: fn(&Answer) -> bool| answers.iter().any(is);
    Ok(
        if any(|(_, explanation, attempt)| attempt.differs(explanation)) {
            ExitCode::from(DIFFERS)
        } else if any(|(.., attempt)| matches!(attempt, Attempt::Refused(_))) {
            ExitCode::from(UNTRIED)
        } else if arguments.exit_code && any(|(_, explanation, _)| explanation.answer.is_err()) {
            ExitCode::from(FAILS)
        } else {
            ExitCode::SUCCESS
        },
    )
}

/// Starts with what is known beside what the kernel shows.
fn explainer(arguments: &ExplainArguments, caller: &Caller) -> Result<Explainer, Failure> {
    let mut told = Told::default();
    if let Some(map) = &arguments.map {
        told = told.map(map.clone());
    }
    let Some(pid) = arguments.mounted_in else {
        return Ok(Explainer::new(told));
    };
    let request = Request {
        caller,
        operation: Operation::Stat,
        path: arguments.path.clone(),
    };
    let target = Explainer::new(told.clone()).lookup(&request)?;
    if let Some(file) = target.file() {
        told = told.mounted_in(file, UserNsView::of_process(pid)?)?;
    }
    Ok(Explainer::new(told))
}

fn caller(arguments: &ExplainArguments) -> Result<Caller, Failure> {
    if let Some(pid) = arguments.process {
        return Ok(Caller::of_process(pid)?);
    }
    let userns = match arguments.userns {
        Some(pid) => UserNsView::of_process(pid)?,
        None => UserNsView::ours()?,
    };
    Ok(match (&arguments.who, arguments.userns) {
        (Some(who), _) => Caller::in_namespace(userns, who.user, who.group, &who.groups)?,
        (None, Some(_)) => Caller::in_namespace(userns, 0, 0, &[])?,
        (None, None) => Caller::current()?,
    })
}

fn id(id: Option<u32>) -> String {
    id.map_or_else(|| "none".to_owned(), |id| id.to_string())
}

fn text(
    path: &Path,
    caller: &Caller,
    look: &Explanation,
    answers: &[Answer],
    paint: Paint,
    width: Width,
) -> String {
    let mut text = format!("{}\n", shown(path));
    match &look.sight {
        Some(sight) => table(&mut text, sight, width),
        None => {
            text += "  the caller does not get there:\n";
            question(&mut text, look.asked.last(), paint);
        }
    }
    let (user, group) = caller.ids();
    let _ = write!(
        text,
        "\nThe caller is user {} and group {}",
        id(caller.user_name()),
        id(caller.group_name())
    );
    if !caller.userns().is_ours() {
        let _ = write!(text, " of its user namespace, {user} and {group} here");
    }
    text += match caller.capabilities() {
        0 => ", with no capabilities.\n",
        _ => ", with capabilities.\n",
    };
    for (operation, explanation, attempted) in answers {
        let place = match explanation.path == path {
            true => String::new(),
            false => format!(" of {}", shown(&explanation.path)),
        };
        let operation = visible(&operation.to_string());
        let _ = writeln!(text, "\n{operation}{place}");
        for asked in &explanation.asked {
            question(&mut text, Some(asked), paint);
        }
        text += &verdict(explanation, paint);
        for note in &explanation.notes {
            let _ = writeln!(text, "  {}", visible(note));
        }
        match attempted {
            Attempt::None => {}
            Attempt::Done(attempted) => text += &compared(explanation, attempted, paint),
            Attempt::Refused(error) => {
                let _ = writeln!(text, "  not tried: {}", visible(&reason(error)));
            }
        }
    }
    let mut doubts: Vec<&String> = look.doubts.iter().collect();
    doubts.extend(
        answers
            .iter()
            .flat_map(|(_, explanation, _)| &explanation.doubts),
    );
    doubts.sort_unstable();
    doubts.dedup();
    if !doubts.is_empty() {
        text += "\nThis assumes that\n";
        for doubt in doubts {
            let _ = writeln!(text, "  {}", visible(doubt));
        }
    }
    text
}

/// The way of both ids from the disk to `stat()`.
fn table(text: &mut String, sight: &Sight, width: Width) {
    let Sight {
        kind,
        mode,
        user,
        group,
        mount,
        filesystem,
        layer,
        hidden,
        ..
    } = sight;
    let _ = writeln!(
        text,
        "  a {kind} with mode {mode:04o}, on the {filesystem} mounted at {}\n",
        visible(mount)
    );
    let map = match &sight.map {
        Some(map) => map.as_str(),
        None => "none",
    };
    let mut rows = Vec::new();
    let mut row = |what: &'static str, pick: fn(&Column) -> Option<u32>, note: &str| {
        let name = |column: &Column| match (pick(column), hidden) {
            (None, Some(_)) if what == "on disk" => "?".to_owned(),
            (picked, _) => id(picked),
        };
        rows.push((what, name(user), name(group), note.to_owned()));
    };
    let place = layer
        .as_ref()
        .map(|layer| format!("in the layer {}", visible(&layer.path)));
    let note = hidden.or(place.as_deref()).unwrap_or_default();
    row("on disk", |column| column.disk, note);
    if let Some(map) = layer.as_ref().and_then(|layer| layer.map.as_ref()) {
        row("by the map of the layer", |column| column.kernel, map);
    }
    row("by the filesystem's map", |column| column.kernel, "");
    row("by the mount's map", |column| column.seen, map);
    row("in the caller's namespace", |column| column.named, "");
    row("stat() shows", |column| Some(column.stat), "");
    let head = ("", "owner".to_owned(), "group".to_owned(), String::new());
    let wide: String = std::iter::once(&head).chain(&rows).map(wide).collect();
    *text += &match width.has(&wide) {
        true => wide,
        false => rows.iter().map(narrow).collect(),
    };
}

/// A line of the table: its name, the owner, the group and a note.
type Row = (&'static str, String, String, String);

fn wide((what, user, group, note): &Row) -> String {
    let line = format!("  {what:<28}{user:>10}{group:>12}  {note}");
    format!("{}\n", line.trim_end())
}

fn narrow((what, user, group, note): &Row) -> String {
    let line = format!("  {what}: {user}:{group}  {note}");
    format!("{}\n", line.trim_end())
}

fn question(text: &mut String, asked: Option<&Asked>, paint: Paint) {
    let Some(Asked {
        rule,
        what,
        refusal,
    }) = asked
    else {
        return;
    };
    let what = visible(what);
    let _ = match refusal {
        None => writeln!(
            text,
            "  {}   {what} ({rule})",
            paint.style(Style::Good, "ok")
        ),
        Some((errno, why)) => writeln!(
            text,
            "  {}   {what} ({rule}): {}: {}",
            paint.style(Style::Bad, "no"),
            visible(why),
            errno_name(*errno)
        ),
    };
}

fn verdict(explanation: &Explanation, paint: Paint) -> String {
    match (explanation.answer, explanation.after) {
        (Ok(()), None) => format!("  {}\n", paint.style(Style::Good, "it works")),
        (Ok(()), Some(after)) => format!(
            "  {}; stored is then {}:{}{}\n",
            paint.style(Style::Good, "it works"),
            after.user,
            after.group,
            after
                .mode
                .map_or_else(String::new, |mode| format!(" with mode {mode:04o}"))
        ),
        (Err(errno), _) => format!(
            "  {}\n",
            paint.style(Style::Bad, &format!("it fails: {}", errno_name(errno)))
        ),
    }
}

fn answer(answer: Result<(), rustix::io::Errno>) -> String {
    match answer {
        Ok(()) => "it worked".to_owned(),
        Err(errno) => match errno_name(errno) {
            "" => format!("it failed: {errno}"),
            name => format!("it failed: {name}"),
        },
    }
}

/// Why an operation was not tried.
fn reason(error: &Error) -> String {
    match &error.cause {
        Some(cause) if error.object.is_empty() => cause.clone(),
        _ => error.to_string(),
    }
}

fn compared(explanation: &Explanation, attempted: &Attempted, paint: Paint) -> String {
    let what = answer(attempted.answer);
    if explanation.is_like(attempted) {
        return format!("  tried: {what}, as explained\n");
    }
    let stored = attempted.after.map_or_else(String::new, |after| {
        let mode = after.mode.unwrap_or_default();
        format!(
            "; stored was {}:{} with mode {mode:04o}",
            after.user, after.group
        )
    });
    let shown = attempted.seen.map_or_else(String::new, |(user, group)| {
        format!("; stat() showed {user}:{group}")
    });
    let differs = paint.style(Style::Bad, "which is not what was explained");
    format!("  tried: {what}, {differs}{stored}{shown}\n")
}

fn json(caller: &Caller, look: &Explanation, answers: &[Answer]) -> String {
    let operations: Vec<String> = answers.iter().map(operation).collect();
    let groups: Vec<String> = caller.groups().map(|group| group.to_string()).collect();
    let (user, group) = caller.ids();
    let sight = look.sight.as_ref().map_or("null".to_owned(), object);
    format!(
        "{{\"path\":{},\n\"caller\":{{\"user\":{user},\"group\":{group},\"groups\":[{}],\
         \"user_in_namespace\":{},\"group_in_namespace\":{},\"capabilities\":\"{:x}\"}},\n\
         \"object\":{sight},\n\"refused\":{},\n\"operations\":[{}]}}\n",
        string(&look.path.to_string_lossy()),
        groups.join(","),
        number(caller.user_name()),
        number(caller.group_name()),
        caller.capabilities(),
        refusal(look),
        operations.join(",\n")
    )
}

fn number(id: Option<u32>) -> String {
    id.map_or_else(|| "null".to_owned(), |id| id.to_string())
}

fn object(sight: &Sight) -> String {
    let column = |column: &Column| {
        format!(
            "{{\"disk\":{},\"filesystem\":{},\"mount\":{},\"namespace\":{},\"stat\":{}}}",
            number(column.disk),
            number(column.kernel),
            number(column.seen),
            number(column.named),
            column.stat
        )
    };
    let map = sight
        .map
        .as_ref()
        .map_or("null".to_owned(), |map| string(map));
    let layer = sight.layer.as_ref().map_or("null".to_owned(), |layer| {
        let map = layer
            .map
            .as_ref()
            .map_or("null".to_owned(), |map| string(map));
        format!("{{\"path\":{},\"map\":{map}}}", string(&layer.path))
    });
    format!(
        "{{\"path\":{},\"kind\":{},\"mode\":\"{:04o}\",\"mount\":{},\"type\":{},\"map\":{map},\
         \"layer\":{layer},\"owner\":{},\"group\":{}}}",
        string(&sight.path),
        string(sight.kind),
        sight.mode,
        string(&sight.mount),
        string(&sight.filesystem),
        column(&sight.user),
        column(&sight.group)
    )
}

fn refusal(explanation: &Explanation) -> String {
    let refused = explanation
        .refusal()
        .and_then(|asked| Some((asked, asked.refusal.as_ref()?)));
    match refused {
        None => "null".to_owned(),
        Some((asked, (errno, why))) => format!(
            "{{\"error\":{},\"number\":{},\"rule\":{},\"step\":{},\"why\":{}}}",
            string(errno_name(*errno)),
            errno.raw_os_error(),
            string(asked.rule),
            string(&asked.what),
            string(why)
        ),
    }
}

fn operation((operation, explanation, attempted): &Answer) -> String {
    let steps: Vec<String> = explanation
        .asked
        .iter()
        .map(|asked| {
            format!(
                "{{\"rule\":{},\"step\":{},\"ok\":{}}}",
                string(asked.rule),
                string(&asked.what),
                asked.refusal.is_none()
            )
        })
        .collect();
    let after = explanation.after.map_or("null".to_owned(), |after| {
        let mode = after
            .mode
            .map_or("null".to_owned(), |mode| format!("\"{mode:04o}\""));
        format!(
            "{{\"user\":{},\"group\":{},\"mode\":{mode}}}",
            after.user, after.group
        )
    });
    let notes: Vec<String> = explanation.notes.iter().map(|note| string(note)).collect();
    let tried = match attempted {
        Attempt::None => "null".to_owned(),
        Attempt::Done(attempted) => {
            let errno = attempted
                .answer
                .map_or_else(|errno| errno.raw_os_error(), |()| 0);
            format!(
                "{{\"number\":{errno},\"same\":{}}}",
                explanation.is_like(attempted)
            )
        }
        Attempt::Refused(error) => format!("{{\"refused\":{}}}", string(&reason(error))),
    };
    let doubts: Vec<String> = explanation
        .doubts
        .iter()
        .map(|doubt| string(doubt))
        .collect();
    format!(
        "{{\"operation\":{},\"path\":{},\"works\":{},\"refused\":{},\"stored\":{after},\
         \"tried\":{tried},\"notes\":[{}],\"assumed\":[{}],\"steps\":[{}]}}",
        string(&operation.to_string()),
        string(&explanation.path.to_string_lossy()),
        explanation.answer.is_ok(),
        refusal(explanation),
        notes.join(","),
        doubts.join(","),
        steps.join(",")
    )
}
