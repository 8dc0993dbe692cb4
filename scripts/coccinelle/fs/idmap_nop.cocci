// SPDX-License-Identifier: GPL-2.0
///
/// Find calls that pass nop_mnt_idmap in a function that has the idmap of a
/// mount, or a file, an iocb or a path to take it from. The callee then
/// compares the caller with the owner that the filesystem stores. On an
/// idmapped mount the owner is refused, and the user whose id equals the
/// stored one is let in.
///
/// A function without an idmap that calls inode_init_owner() is reported, too:
/// its caller has one, and must pass it.
///
// Confidence: High. An internal inode has no mount, and keeps nop_mnt_idmap.
// Options: --no-includes --include-headers

virtual org
virtual report

@initialize:python@
@@

import re

sources = [
    (re.compile(r"struct mnt_idmap \*\s*(\w+)"), "is passed %s"),
    (re.compile(r"struct file \*\s*(\w+)"), "has file_mnt_idmap(%s)"),
    (re.compile(r"struct kiocb \*\s*(\w+)"), "has file_mnt_idmap(%s->ki_filp)"),
    (re.compile(r"struct path \*\s*(\w+)"), "has mnt_idmap(%s->mnt)"),
]
functions = {}

def origin(parameters):
    for pattern, text in sources:
        found = pattern.search(parameters)
        if found:
            return text % found.group(1)
    return None

def message(file, fn, callee):
    source = functions.get((file, fn))
    if source:
        return "WARNING: %s() %s and passes nop_mnt_idmap to %s()" % (fn, source, callee)
    if callee == "inode_init_owner" and (file, fn) in functions:
        return "WARNING: %s() takes no idmap for inode_init_owner()" % fn
    return None

// The root of a filesystem, or an inode without a name: no mount yet.
@parentless@
position p;
@@

inode_init_owner(&nop_mnt_idmap@p, ..., NULL, ...)

@call@
identifier callee;
position p != parentless.p;
@@

callee(..., &nop_mnt_idmap@p, ...)

@defined depends on call@
identifier fn;
parameter list parameters;
position p;
@@

fn@p(parameters) { ... }

@script:python@
fn << defined.fn;
parameters << defined.parameters;
p << defined.p;
@@

functions[(p[0].file, fn)] = origin(str(parameters))

@script:python depends on report@
callee << call.callee;
p << call.p;
@@

msg = message(p[0].file, p[0].current_element, callee)
if msg:
    coccilib.report.print_report(p[0], msg)

@script:python depends on org@
callee << call.callee;
p << call.p;
@@

msg = message(p[0].file, p[0].current_element, callee)
if msg:
    coccilib.org.print_todo(p[0], msg)
