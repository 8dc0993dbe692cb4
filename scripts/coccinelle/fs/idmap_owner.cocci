// SPDX-License-Identifier: GPL-2.0
///
/// Find the owner that the filesystem stores, i_uid and i_gid, where the owner
/// that the mount shows is meant: compared with the ids of the caller, given
/// to in_group_p(), stored in struct kstat, or set from the ids of the caller.
/// vfsuid_eq_kuid(i_uid_into_vfsuid(idmap, inode), current_fsuid()) compares,
/// vfsgid_in_group_p() looks for a group, generic_fillattr() fills a kstat,
/// inode_init_owner() and inode_fsuid_set() set an owner.
///
/// A function that is passed an idmap and uses current_fsuid() otherwise than
/// to compare it is reported, too: mapped_fsuid() is the id that a new inode
/// and its quota take.
///
// Confidence: High. An inode without a mount (a pipe, a socket, a table of
// mounts) keeps the ids of its creator.
// Options: --no-includes --include-headers

virtual org
virtual report

@initialize:python@
@@

import re

# The functions that are passed a directory: others make an inode without one.
with_parent = set()
# The functions that are passed an idmap.
idmapped = set()
# The functions that map or compare ids of the caller.
mapping = set()
# The variables that hold an id of the caller, by function.
copies = set()

@caller@
identifier current =~ "^current_(fs|e|)[ug]id$";
expression object;
identifier owner =~ "^i_[ug]id$";
identifier eq =~ "^[ug]id_eq$";
position p, q;
@@

(
  eq(object->owner@p, current@q())
|
  eq(current@q(), object->owner@p)
|
  eq(object.owner@p, current@q())
|
  eq(current@q(), object.owner@p)
)

@creds@
identifier cred =~ "(^|_)creds?$";
expression object;
identifier owner =~ "^i_[ug]id$";
identifier eq =~ "^[ug]id_eq$";
identifier id =~ "^(fs|e|)[ug]id$";
position p;
@@

(
  eq(object->owner@p, cred->id)
|
  eq(cred->id, object->owner@p)
)

@copied@
identifier current =~ "^current_(fs|e|)[ug]id$";
identifier copy;
type T;
position p;
@@

(
  copy = current@p();
|
  T copy = current@p();
)

@script:python@
copy << copied.copy;
p << copied.p;
@@

copies.add((p[0].file, p[0].current_element, copy))

@copy depends on copied@
identifier eq =~ "^[ug]id_eq$";
identifier owner =~ "^i_[ug]id$";
identifier other;
expression object;
position p;
@@

(
  eq(object->owner@p, other)
|
  eq(other, object->owner@p)
)

@group@
identifier in_group =~ "^in_e?group_p$";
expression object;
position p;
@@

(
  in_group(object->i_gid@p)
|
  in_group(object.i_gid@p)
)

@shown@
struct kstat *stat;
expression object;
identifier id =~ "^[ug]id$";
identifier owner =~ "^i_[ug]id$";
position p;
@@

  stat->id = object->owner@p

@made@
identifier current =~ "^current_(fs|e|)[ug]id$";
expression object;
identifier owner =~ "^i_[ug]id$";
position p, q;
@@

(
  object->owner@p = <+... current@q() ...+>
|
  object.owner@p = <+... current@q() ...+>
)

@compared@
identifier eq =~ "^vfs[ug]id_eq_k[ug]id$";
identifier current =~ "^current_fs[ug]id$";
position p;
@@

  eq(..., current@p())

// A function that maps the ids of the caller, or compares them with mapped
// ones, distinguishes the two.
@maps@
identifier mapped =~ "^(mapped_fs[ug]id|vfs[ug]id_eq_k[ug]id)$";
position p;
@@

mapped@p(...)

@script:python@
p << maps.p;
@@

mapping.add((p[0].file, p[0].current_element))

@stored@
identifier current =~ "^current_fs[ug]id$";
position p != { compared.p, caller.q, made.q };
@@

  current@p()

@defined depends on stored || made@
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

if "struct mnt_idmap *" in str(parameters):
    idmapped.add((p[0].file, fn))
if re.search(r"inode \*", str(parameters)):
    with_parent.add((p[0].file, fn))

@script:python depends on report@
p << caller.p;
owner << caller.owner;
@@

fn = p[0].current_element
msg = "WARNING: %s() compares the caller with %s: use i_%s_into_vfs%s()" % (fn, owner, owner[2:], owner[2:])
coccilib.report.print_report(p[0], msg)

@script:python depends on org@
p << caller.p;
owner << caller.owner;
@@

fn = p[0].current_element
msg = "WARNING: %s() compares the caller with %s: use i_%s_into_vfs%s()" % (fn, owner, owner[2:], owner[2:])
coccilib.org.print_todo(p[0], msg)

@script:python depends on report@
p << creds.p;
owner << creds.owner;
@@

fn = p[0].current_element
msg = "WARNING: %s() compares the caller with %s: use i_%s_into_vfs%s()" % (fn, owner, owner[2:], owner[2:])
coccilib.report.print_report(p[0], msg)

@script:python depends on org@
p << creds.p;
owner << creds.owner;
@@

fn = p[0].current_element
msg = "WARNING: %s() compares the caller with %s: use i_%s_into_vfs%s()" % (fn, owner, owner[2:], owner[2:])
coccilib.org.print_todo(p[0], msg)

@script:python depends on report@
p << copy.p;
owner << copy.owner;
other << copy.other;
@@

fn = p[0].current_element
msg = "WARNING: %s() compares the caller with %s: use i_%s_into_vfs%s()" % (fn, owner, owner[2:], owner[2:])
if (p[0].file, fn, other) in copies:
    coccilib.report.print_report(p[0], msg)

@script:python depends on org@
p << copy.p;
owner << copy.owner;
other << copy.other;
@@

fn = p[0].current_element
msg = "WARNING: %s() compares the caller with %s: use i_%s_into_vfs%s()" % (fn, owner, owner[2:], owner[2:])
if (p[0].file, fn, other) in copies:
    coccilib.org.print_todo(p[0], msg)

@script:python depends on report@
p << group.p;
in_group << group.in_group;
@@

fn = p[0].current_element
msg = "WARNING: %s() gives i_gid to %s(): use vfsgid_in_group_p()" % (fn, in_group)
coccilib.report.print_report(p[0], msg)

@script:python depends on org@
p << group.p;
in_group << group.in_group;
@@

fn = p[0].current_element
msg = "WARNING: %s() gives i_gid to %s(): use vfsgid_in_group_p()" % (fn, in_group)
coccilib.org.print_todo(p[0], msg)

@script:python depends on report@
p << shown.p;
owner << shown.owner;
@@

fn = p[0].current_element
msg = "WARNING: %s() shows %s: use i_%s_into_vfs%s()" % (fn, owner, owner[2:], owner[2:])
coccilib.report.print_report(p[0], msg)

@script:python depends on org@
p << shown.p;
owner << shown.owner;
@@

fn = p[0].current_element
msg = "WARNING: %s() shows %s: use i_%s_into_vfs%s()" % (fn, owner, owner[2:], owner[2:])
coccilib.org.print_todo(p[0], msg)

@script:python depends on report@
p << made.p;
owner << made.owner;
@@

fn = p[0].current_element
msg = "WARNING: %s() sets %s: use inode_fs%s_set()" % (fn, owner, owner[2:])
if (p[0].file, fn) in with_parent:
    coccilib.report.print_report(p[0], msg)

@script:python depends on org@
p << made.p;
owner << made.owner;
@@

fn = p[0].current_element
msg = "WARNING: %s() sets %s: use inode_fs%s_set()" % (fn, owner, owner[2:])
if (p[0].file, fn) in with_parent:
    coccilib.org.print_todo(p[0], msg)

@script:python depends on report@
p << stored.p;
current << stored.current;
@@

fn = p[0].current_element
msg = "WARNING: %s() is passed an idmap and uses %s(): use mapped_%s()" % (fn, current, current[8:])
if (p[0].file, fn) in idmapped - mapping:
    coccilib.report.print_report(p[0], msg)

@script:python depends on org@
p << stored.p;
current << stored.current;
@@

fn = p[0].current_element
msg = "WARNING: %s() is passed an idmap and uses %s(): use mapped_%s()" % (fn, current, current[8:])
if (p[0].file, fn) in idmapped - mapping:
    coccilib.org.print_todo(p[0], msg)
