//! The pinned QEMU and its machines. Only this folder knows QEMU.
