// SPDX-License-Identifier: GPL-2.0
///
/// Find uses of ia_uid and ia_gid of struct iattr. Both hold an id as the
/// mount shows it. ia_vfsuid and ia_vfsgid are the same members with a type
/// that does not compare with, and is not stored in, i_uid and i_gid:
/// i_uid_needs_update() compares, i_uid_update() stores, and from_vfsuid()
/// returns the id for the disk, the quota or the server.
///
/// A write is reported if the function passes an idmap to notify_change() or
/// setattr_prepare(): they map the id.
///
// Confidence: High. A filesystem whose superblocks and mounts never have an
// idmap (a cluster or network client without FS_ALLOW_IDMAP) may wait.
// Options: --no-includes --include-headers

virtual org
virtual report

@written@
struct iattr *pointer;
struct iattr attr;
identifier member =~ "^ia_[ug]id$";
expression value;
position p;
@@

(
  pointer->member@p = value
|
  attr.member@p = value
)

@mapped@
struct iattr *pointer;
struct iattr attr;
identifier written.member;
expression written.value;
position written.p;
expression idmap;
identifier change =~ "^(notify_change|setattr_prepare|setattr_copy)$";
@@

(
  pointer->member@p = value
|
  attr.member@p = value
)
  ... when exists
  change(idmap, ...)

// An id that was just decoded is checked, or decoded into place.
@decoded@
struct iattr *pointer;
identifier member =~ "^ia_[ug]id$";
identifier valid =~ "^[ug]id_valid$";
position p;
@@

(
  valid(pointer->member@p)
|
  &pointer->member@p
)

@read@
struct iattr *pointer;
identifier member =~ "^ia_[ug]id$";
position p != { written.p, decoded.p };
@@

  pointer->member@p

@script:python depends on report@
p << written.p;
idmap << mapped.idmap;
member << written.member;
@@

msg = "WARNING: %s() sets %s and passes it with an idmap: set %s" % (p[0].current_element, member, member.replace("ia_", "ia_vfs"))
if "nop_mnt_idmap" not in idmap:
    coccilib.report.print_report(p[0], msg)

@script:python depends on org@
p << written.p;
idmap << mapped.idmap;
member << written.member;
@@

msg = "WARNING: %s() sets %s and passes it with an idmap: set %s" % (p[0].current_element, member, member.replace("ia_", "ia_vfs"))
if "nop_mnt_idmap" not in idmap:
    coccilib.org.print_todo(p[0], msg)

@script:python depends on report@
p << read.p;
member << read.member;
@@

msg = "WARNING: %s() reads %s, which the mount maps: use %s" % (p[0].current_element, member, member.replace("ia_", "ia_vfs"))
coccilib.report.print_report(p[0], msg)

@script:python depends on org@
p << read.p;
member << read.member;
@@

msg = "WARNING: %s() reads %s, which the mount maps: use %s" % (p[0].current_element, member, member.replace("ia_", "ia_vfs"))
coccilib.org.print_todo(p[0], msg)
