# SPDX-License-Identifier: GPL-2.0
# Writes in several ways, each block with a checksum that is verified after.
cat >jobs.fio <<end
[global]
directory=$PWD
size=8m
verify=crc32c
do_verify=1
verify_fatal=1
group_reporting=1
thread=1

[sequential]
rw=write
bs=64k
ioengine=psync

[random]
stonewall
rw=randwrite
bs=4k
ioengine=psync

[odd]
stonewall
rw=randwrite
bsrange=512-20k
bs_unaligned=1
ioengine=psync

[mapped]
stonewall
rw=randwrite
bs=4k
ioengine=mmap

[vectors]
stonewall
rw=randwrite
bs=16k
ioengine=pvsync2

[asynchronous]
stonewall
rw=randwrite
bs=4k
iodepth=8
ioengine=libaio

[several]
stonewall
rw=randrw
bs=4k
numjobs=3
fallocate=posix
ioengine=psync
end
fio --output-format=terse jobs.fio >fio.log
# A line for each job, or group of them.
test "$(grep -c '^[0-9]*;fio' fio.log)" = 7
