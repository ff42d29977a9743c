//! Pinned kernels and QEMU: pins and lock, archive, unpacking, images. Only this folder knows packages.
