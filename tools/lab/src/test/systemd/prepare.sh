# SPDX-License-Identifier: GPL-2.0
# Directories of root, and what shall be mounted at boot.

ln -s /opt/idmap/bin/mount-idmapped /usr/sbin/mount.idmapped
mkdir -p /srv/data /srv/unit /mnt/line /mnt/blank /mnt/missing /mnt/own /mnt/unit
touch /srv/data/file /srv/unit/file

cat >/etc/fstab <<'END'
/srv/data  /mnt/line       idmapped  idmap=b:0:1000:1,nosuid,defaults                0 0
/srv/data  /mnt/blank      idmapped  idmap=u:0:1001:1\040g:0:1002:1,x-systemd.device-timeout=5  0 0
/srv/data  /mnt/made/deep  idmapped  idmap=b:0:3000:1,X-mount.mkdir,nofail           0 0
/srv/data  /mnt/own        none      bind,X-mount.idmap=b:0:6000:1                    0 0
/srv/none  /mnt/missing    idmapped  idmap=b:0:4000:1,nofail                         0 0
END

cat >/etc/systemd/system/mnt-unit.mount <<'END'
[Unit]
RequiresMountsFor=/srv/unit

[Mount]
What=/srv/unit
Where=/mnt/unit
Type=idmapped
Options=idmap=b:0:2000:1,ro

[Install]
WantedBy=local-fs.target
END
systemctl --root=/ enable mnt-unit.mount
