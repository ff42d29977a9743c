//! Errors about the user's own kernels: what was looked for, where, and what to do next.

use std::io;
use std::path::PathBuf;

use crate::kernel::elf_machine::Machine;
use crate::kernel::vmlinux::ImageError;

/// Why a path does not lead to a kernel that can boot.
#[derive(Debug, thiserror::Error)]
pub enum OwnError {
    #[error(
        "{} does not exist: expected a build tree, a vmlinux or bzImage, a folder with boot/ and lib/modules/, or .deb files",
        path.display()
    )]
    NoPath { path: PathBuf },

    #[error("cannot read {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },

    #[error(
        "{} is a kernel's source without a build: run `make bzImage` in it, or name the folder that was given as O=",
        tree.display()
    )]
    Unbuilt { tree: PathBuf },

    #[error("{} has no arch/x86/boot/bzImage: build it with `make bzImage`", tree.display())]
    NoBzImage { tree: PathBuf },

    #[error(
        "{}/arch/x86/boot/bzImage does not contain the tree's vmlinux, which is newer: build it again with `make bzImage`",
        tree.display()
    )]
    OldBzImage { tree: PathBuf },

    #[error("{} is a kernel for {machine}: rxpath boots kernels for x86-64 only", path.display())]
    OtherMachine { path: PathBuf, machine: Machine },

    #[error(
        "{} has no kernel: looked for arch/x86/boot/bzImage, and for vmlinuz*, bzImage* and vmlinux* in it, in boot/ and in \
         lib/modules/*/: build one with `make bzImage`, or name the image itself",
        path.display()
    )]
    Empty { path: PathBuf },

    #[error(
        "{} has modules of {releases} but no image: run `make install INSTALL_PATH={}/boot`, or name the build tree",
        path.display(), path.display()
    )]
    OnlyModules { path: PathBuf, releases: String },

    #[error("{} has several kernels: name one of {images}", path.display())]
    Several { path: PathBuf, images: String },

    #[error(
        "{packages}: none has a kernel's image, which is in linux-image-… or linux-binary-…: name that package too"
    )]
    NoImageInPackages { packages: String },

    #[error(
        "{} is {release}, but {} has modules of {found} only: install those of {release} there with `make modules_install`",
        image.display(), modules.display()
    )]
    OtherModules { image: PathBuf, release: String, modules: PathBuf, found: String },

    #[error(
        "{} was built for {found}, the kernel is {release}: build kernel and modules together with `make bzImage modules`",
        module.display()
    )]
    Vermagic { module: PathBuf, found: String, release: String },

    #[error("{} is in modules.order but does not exist: run `make modules`", module.display())]
    NoModule { module: PathBuf },

    #[error(
        "{} is not a kernel: expected a bzImage, a vmlinux or a .deb file, found one that starts with {start}",
        path.display()
    )]
    NotKernel { path: PathBuf, start: String },

    #[error(
        "{} has no PVH note, without which QEMU does not boot a vmlinux: name the bzImage, or build with CONFIG_PVH=y",
        path.display()
    )]
    NoPvhNote { path: PathBuf },

    #[error("cannot unpack the kernel in {}: build it again with `make bzImage`", path.display())]
    Image {
        path: PathBuf,
        #[source]
        source: ImageError,
    },

    #[error("{} does not say which Linux it is: expected `Linux version …` in it", image.display())]
    NoRelease { image: PathBuf },
}

impl OwnError {
    /// Whether the build of this revision is incomplete, so that a different revision of the same tree may boot.
    pub(crate) fn is_incomplete_build(&self) -> bool {
        matches!(
            self,
            Self::NoBzImage { .. }
                | Self::OldBzImage { .. }
                | Self::OtherModules { .. }
                | Self::Vermagic { .. }
                | Self::NoModule { .. }
                | Self::Image { .. }
        )
    }

    pub(super) fn read(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| match source.kind() {
            io::ErrorKind::NotFound => Self::NoPath { path },
            _ => Self::Read { path, source },
        }
    }
}
