use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;
use crate::kernel::modules::tests::module_with;
use crate::kernel::payload::tests::{PACKED, UNPACKED};
use crate::kernel::stored;
use crate::kernel::vmlinux::tests::{gzip, image, without_pvh_note};

/// The release in the header of [`image`].
const RELEASE: &str = "6.1.0-x";

/// A folder with files, and a cache beside it.
struct World {
    folder: TempDir,
    cache: Cache,
}

impl World {
    fn new(files: &[(&str, &[u8])]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(&folder.path().join("cache")).unwrap();
        let world = Self { folder, cache };
        files.iter().for_each(|(path, bytes)| world.write(path, bytes));
        world
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn open(&self, path: &str) -> Result<Kernel, String> {
        open(&self.path(path), &self.cache).map_err(|error| {
            assert!(error.is_request());
            error.to_string().replace(self.folder.path().canonicalize().unwrap().to_str().unwrap(), "…")
        })
    }
}

fn module_of(release: &str) -> Vec<u8> {
    module_with(format!("depends=\0vermagic={release} SMP mod_unload \0").as_bytes())
}

fn bz_image() -> Vec<u8> {
    image(PACKED[0].1)
}

/// A build tree as the kernel's build leaves it.
fn tree() -> World {
    World::new(&[
        ("o/.config", b"CONFIG_X86_64=y\nCONFIG_HZ=250\n"),
        ("o/arch/x86/boot/bzImage", &bz_image()),
        ("o/modules.order", b"drivers/net/veth.o\nnet/vmw_vsock/vsock-diag.o\n"),
        ("o/modules.builtin", b"kernel/drivers/net/tun.ko\n"),
        ("o/drivers/net/veth.ko", &module_of(RELEASE)),
        ("o/net/vmw_vsock/vsock-diag.ko.gz", &gzip(&module_of(RELEASE))),
    ])
}

fn modules(kernel: &Kernel, names: &[&str]) -> Vec<String> {
    kernel.module_closure(names).unwrap().into_iter().map(|module| module.name).collect()
}

#[test]
fn a_build_tree_is_a_kernel_with_its_modules_and_configuration() {
    let world = tree();
    let kernel = world.open("o").unwrap();
    assert_eq!(kernel.release, RELEASE);
    assert_eq!(kernel.series, Series::new(6, 1));
    assert_eq!(kernel.digest, Sha256::of(&bz_image()));
    assert_eq!(kernel.name(), *format!("6.1.0-x@{}", &kernel.digest.to_string()[..8]));
    assert_eq!(
        kernel.banner.as_deref(),
        Some("Linux version 6.12.0-made-up (me@here) (gcc (GCC) 12.2.0, GNU ld 2.40) #1 SMP now")
    );
    assert_eq!(kernel.boot_image(), kernel.vmlinux());
    assert!(fs::read(kernel.vmlinux()).unwrap() == UNPACKED);
    assert_eq!(kernel.config().unwrap().unwrap().value("CONFIG_HZ"), Some("250"));
    assert_eq!(modules(&kernel, &["vsock_diag", "tun", "veth"]), ["vsock_diag", "veth"]);
    for path in ["o/arch/x86/boot/bzImage", "o/arch/x86/boot/../boot/bzImage"] {
        assert_eq!(world.open(path).as_ref(), Ok(&kernel), "{path}");
    }
}

#[test]
fn trees_with_the_same_bytes_are_the_same_kernel() {
    let world = tree();
    let one = world.open("o").unwrap();
    world.write("copy/arch/x86/boot/bzImage", &bz_image());
    let other = world.open("copy").unwrap();
    assert_eq!((one.name(), one.digest, one.boot_image()), (other.name(), other.digest, other.boot_image()));
    world.write("copy/arch/x86/boot/bzImage", &image(PACKED[1].1));
    assert_ne!(world.open("copy").unwrap().digest, one.digest);
    assert_eq!(other.config().unwrap(), None);
}

#[test]
fn an_image_or_folder_leads_to_the_modules_and_configuration_around_it() {
    let world = World::new(&[
        ("root/boot/vmlinuz-6.1.0-x", &bz_image()),
        ("root/boot/config-6.1.0-x", b"CONFIG_HZ=100\n"),
        ("root/lib/modules/6.1.0-x/kernel/net/a.ko", &module_of(RELEASE)),
        ("root/lib/modules/6.1.0-x/updates/b.ko", &module_of(RELEASE)),
        ("root/lib/modules/6.1.0-x/modules.builtin", b"kernel/c.ko\n"),
        ("root/lib/modules/5.5.5/kernel/net/old.ko", &module_of("5.5.5")),
        ("new/usr/lib/modules/6.1.0-x/vmlinuz", &bz_image()),
        ("new/usr/lib/modules/6.1.0-x/config", b"CONFIG_HZ=300\n"),
        ("new/usr/lib/modules/6.1.0-x/kernel/a.ko", &module_of(RELEASE)),
        ("alone/bzImage", &bz_image()),
    ]);
    std::os::unix::fs::symlink("vmlinuz-6.1.0-x", world.path("root/boot/vmlinuz")).unwrap();
    for (path, hz) in [("root", "100"), ("root/boot/vmlinuz", "100"), ("new", "300")] {
        let kernel = world.open(path).unwrap();
        assert_eq!(kernel.config().unwrap().unwrap().value("CONFIG_HZ"), Some(hz), "{path}");
        assert_eq!(modules(&kernel, &["a"]), ["a"], "{path}");
    }
    assert_eq!(modules(&world.open("root").unwrap(), &["b", "c"]), ["b"]);
    let error = world.open("alone").unwrap().module_closure(&["a"]).unwrap_err();
    assert!(error.to_string().starts_with("kernel 6.1.0-x has no module `a`"), "{error}");
}

#[test]
fn without_a_list_the_configuration_tells_which_modules_are_built_in() {
    let config = b"CONFIG_VETH=y\nCONFIG_TUN=m\n# CONFIG_PACKET is not set\n";
    let world = World::new(&[("vmlinuz-6.1", &bz_image()), ("config-6.1", config)]);
    let kernel = world.open("vmlinuz-6.1").unwrap();
    assert_eq!(modules(&kernel, &["veth"]), [""; 0]);
    let known = kernel.known_parts().unwrap();
    assert_eq!(known.check_modules(&["veth"]), Ok(()));
    let expected =
        "it needs af_packet (CONFIG_PACKET) and tun (CONFIG_TUN), neither built into the kernel nor among its modules";
    assert_eq!(known.check_modules(&["tun", "veth", "af_packet", "tun"]), Err(expected.to_owned()));
}

#[test]
fn without_a_configuration_the_image_tells_which_modules_are_built_in() {
    let kernel = [UNPACKED, b"\0veth: Peer MTU is too large to set XDP\0"].concat();
    let world = World::new(&[("bzImage", &image(&gzip(&kernel)))]);
    let kernel = world.open("bzImage").unwrap();
    let known = kernel.known_parts().unwrap();
    assert_eq!(known.check_modules(&["veth"]), Ok(()));
    assert!(
        known
            .check_modules(&["veth", "virtio_net"])
            .unwrap_err()
            .starts_with("it needs virtio_net (CONFIG_VIRTIO_NET),")
    );
    assert!(
        kernel
            .check_options()
            .unwrap()
            .unwrap()
            .ends_with("has no configuration, so rxpath tries to run every case on it")
    );
}

#[test]
fn a_configuration_in_a_module_counts_as_none_and_is_reported() {
    let configs = ("root/lib/modules/6.1.0-x/kernel/kernel/configs.ko", &module_of(RELEASE)[..]);
    let world = World::new(&[("root/boot/vmlinuz-6.1.0-x", &bz_image()), configs]);
    let unknown = world.open("root").unwrap().check_options().unwrap().unwrap();
    assert!(unknown.contains("has its configuration in a module (CONFIG_IKCONFIG=m)"), "{unknown}");
}

#[test]
fn a_vmlinux_boots_if_it_has_a_pvh_note() {
    let world = World::new(&[("a/vmlinux", UNPACKED), ("b/vmlinux", &without_pvh_note())]);
    let kernel = world.open("a/vmlinux").unwrap();
    assert_eq!((kernel.release.as_str(), kernel.series), ("6.12.0-made-up", Series::new(6, 12)));
    assert_eq!(kernel.boot_image(), kernel.vmlinux());
    let expected = "…/b/vmlinux has no PVH note, without which QEMU does not boot a vmlinux: name the bzImage, or build with \
                    CONFIG_PVH=y";
    assert_eq!(world.open("b/vmlinux"), Err(expected.to_owned()));
}

#[test]
fn a_bz_image_without_a_pvh_note_boots_itself() {
    let packed = image(&gzip(&without_pvh_note()));
    let world = World::new(&[("bzImage", &packed)]);
    let kernel = world.open("bzImage").unwrap();
    assert!(fs::read(kernel.boot_image()).unwrap() == packed);
    assert!(fs::read(kernel.vmlinux()).unwrap() == without_pvh_note());
}

#[test]
fn an_embedded_configuration_takes_precedence() {
    let mut kernel = UNPACKED.to_vec();
    kernel.extend_from_slice(b"IKCFG_ST");
    kernel.extend(gzip(b"CONFIG_HZ=1000\n"));
    let world = World::new(&[("vmlinuz-1", &image(&gzip(&kernel))), ("config-1", b"CONFIG_HZ=250\n")]);
    let config = world.open("vmlinuz-1").unwrap().config().unwrap().unwrap();
    assert_eq!(config.value("CONFIG_HZ"), Some("1000"));
}

#[test]
fn what_is_missing_is_reported_with_what_to_do() {
    let arm = {
        let mut elf = UNPACKED.to_vec();
        elf[18] = 183;
        elf
    };
    let small = {
        let mut elf = UNPACKED.to_vec();
        (elf[4], elf[18]) = (1, 3);
        elf
    };
    let world = World::new(&[
        ("configured/.config", b"CONFIG_X86_64=y\n"),
        ("source/Kbuild", b""),
        ("source/arch/x86/Kconfig", b""),
        ("arm/.config", b"CONFIG_ARM64=y\n"),
        ("armvm/.config", b""),
        ("armvm/vmlinux", &arm),
        ("small/vmlinux", &small),
        ("empty/notes.txt", b""),
        ("only/lib/modules/6.1.0-x/kernel/a.ko", b""),
        ("two/boot/vmlinuz-1", &bz_image()),
        ("two/boot/vmlinuz-2", &bz_image()),
        ("script", b"#!/bin/sh\n"),
        ("cut/bzImage", &bz_image()[..1100]),
    ]);
    for (path, expected) in [
        (
            "absent",
            "/absent does not exist: expected a build tree, a vmlinux or bzImage, a folder with boot/ and lib/modules/, or .deb files",
        ),
        ("configured", "…/configured has no arch/x86/boot/bzImage: build it with `make bzImage`"),
        (
            "source",
            "…/source is a kernel's source without a build: run `make bzImage` in it, or name the folder that was given as O=",
        ),
        ("arm", "…/arm is a kernel for arm64: rxpath boots kernels for x86-64 only"),
        ("armvm", "…/armvm is a kernel for arm64: rxpath boots kernels for x86-64 only"),
        ("armvm/vmlinux", "…/armvm/vmlinux is a kernel for arm64: rxpath boots kernels for x86-64 only"),
        ("small/vmlinux", "…/small/vmlinux is a kernel for 32-bit x86: rxpath boots kernels for x86-64 only"),
        (
            "empty",
            "…/empty has no kernel: looked for arch/x86/boot/bzImage, and for vmlinuz*, bzImage* and vmlinux* in it, in boot/ and in lib/modules/*/: build one with `make bzImage`, or name the image itself",
        ),
        (
            "only",
            "…/only has modules of 6.1.0-x but no image: run `make install INSTALL_PATH=…/only/boot`, or name the build tree",
        ),
        ("two", "…/two has several kernels: name one of …/two/boot/vmlinuz-1, …/two/boot/vmlinuz-2"),
        (
            "script",
            "…/script is not a kernel: expected a bzImage, a vmlinux or a .deb file, found one that starts with 23212f62696e2f73",
        ),
        ("cut/bzImage", "cannot unpack the kernel in …/cut/bzImage: build it again with `make bzImage`"),
    ] {
        let message = world.open(path).unwrap_err();
        assert!(message.ends_with(expected), "{path}: {message}");
    }
}

#[test]
fn modules_of_a_different_kernel_are_refused() {
    let world = World::new(&[
        ("tree/arch/x86/boot/bzImage", &bz_image()),
        ("tree/modules.order", b"a.o\n"),
        ("tree/a.ko", &module_of("6.1.0-old")),
        ("root/boot/vmlinuz-6.1.0-x", &bz_image()),
        ("root/lib/modules/6.2.0/kernel/a.ko", &module_of("6.2.0")),
    ]);
    assert_eq!(
        world.open("tree"),
        Err("…/tree/a.ko was built for 6.1.0-old, the kernel is 6.1.0-x: build kernel and modules together with `make bzImage \
             modules`"
            .to_owned())
    );
    assert_eq!(
        world.open("root"),
        Err("…/root/boot/vmlinuz-6.1.0-x is 6.1.0-x, but …/root/lib/modules has modules of 6.2.0 only: install those of \
             6.1.0-x there with `make modules_install`"
            .to_owned())
    );
}

#[test]
fn a_module_that_was_never_built_is_reported_when_it_is_needed() {
    let world = tree();
    fs::remove_file(world.path("o/drivers/net/veth.ko")).unwrap();
    let error = world.open("o").unwrap().module_closure(&["veth"]).unwrap_err();
    assert!(
        error.to_string().ends_with("veth.ko is in modules.order but does not exist: run `make modules`"),
        "{error}"
    );
}

#[test]
fn an_image_older_than_the_vmlinux_of_a_different_build_is_refused() {
    let world = tree();
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(60);
    let write_later = |bytes: &[u8]| {
        world.write("o/vmlinux", bytes);
        fs::File::options().write(true).open(world.path("o/vmlinux")).unwrap().set_modified(later).unwrap();
    };
    write_later(UNPACKED);
    assert!(world.open("o").is_ok());
    let text = String::from_utf8_lossy(UNPACKED).replace("#1 SMP", "#2 SMP");
    write_later(text.as_bytes());
    assert_eq!(
        world.open("o"),
        Err("…/o/arch/x86/boot/bzImage does not contain the tree's vmlinux, which is newer: build it again with `make bzImage`"
            .to_owned())
    );
}

#[test]
fn a_damaged_cache_entry_is_made_again() {
    let world = tree();
    let kernel = world.open("o").unwrap();
    fs::write(kernel.boot_image(), "short").unwrap();
    let again = world.open("o").unwrap();
    assert!(fs::read(again.boot_image()).unwrap() == UNPACKED);
}

#[test]
fn series_come_from_any_release() {
    for (release, series) in [
        ("6.12.117", Some((6, 12))),
        ("6.18.0-rc3+", Some((6, 18))),
        ("7.0-rc1", Some((7, 0))),
        ("5.10.0-46-cloud-amd64", Some((5, 10))),
        ("next", None),
        ("6", None),
    ] {
        assert_eq!(Series::of_version(release), series.map(|(major, minor)| Series::new(major, minor)), "{release}");
    }
}

/// A package file: an ar archive with three members (deb(5)).
fn package(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut data = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        data.append_data(&mut header, path, *bytes).unwrap();
    }
    let control = tar::Builder::new(Vec::new()).into_inner().unwrap();
    let mut package = b"!<arch>\n".to_vec();
    let members =
        [("debian-binary", b"2.0\n".to_vec()), ("control.tar", control), ("data.tar", data.into_inner().unwrap())];
    for (name, bytes) in members {
        package.extend(format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, "100644", bytes.len()).bytes());
        package.extend(&bytes);
        package.resize(package.len().next_multiple_of(2), b'\n');
    }
    package
}

#[test]
fn packages_are_one_kernel_together() {
    let world = World::new(&[
        (
            "image.deb",
            &package(&[("./boot/vmlinuz-6.1.0-x", &bz_image()), ("./boot/config-6.1.0-x", b"CONFIG_HZ=100\n")]),
        ),
        ("modules.deb", &package(&[("./lib/modules/6.1.0-x/kernel/net/a.ko", &module_of(RELEASE))])),
    ]);
    let packages = ["image.deb", "modules.deb"].map(|path| world.path(path));
    let kernel = open_packages(&packages, &world.cache).unwrap();
    assert_eq!((kernel.digest, modules(&kernel, &["a"])), (Sha256::of(&bz_image()), vec!["a".to_owned()]));
    assert_eq!(kernel.config().unwrap().unwrap().value("CONFIG_HZ"), Some("100"));
    assert_eq!(world.open("image.deb").unwrap().digest, kernel.digest);
    let message = world.open("modules.deb").unwrap_err();
    assert!(message.ends_with("/modules.deb: none has a kernel's image, which is in linux-image-… or linux-binary-…: name that package too"), "{message}");
}

#[test]
fn what_was_not_used_for_long_is_removed_and_each_use_counts() {
    let image = package(&[("./boot/vmlinuz-6.1.0-x", &bz_image())]);
    let world = World::new(&[("image.deb", &image)]);
    let name = world.open("image.deb").unwrap().name();
    let day = std::time::Duration::from_secs(24 * 3600);
    let age = |days| {
        for own in stored(&world.cache) {
            let folder = fs::File::open(&own.folder).unwrap();
            folder.set_modified(std::time::SystemTime::now() - day * days).unwrap();
        }
    };
    age(40);
    let all = stored(&world.cache);
    assert_eq!(all.iter().map(|own| own.name.clone()).collect::<Vec<_>>(), [Some(name), None]);
    assert!(all.iter().all(|own| own.unused_for() > day * 39));
    world.open("image.deb").unwrap();
    assert!(all.iter().all(|own| own.unused_for() < day));
    assert!(!all[0].remove_if_unused_for(day * 30, &world.cache).unwrap());
    age(40);
    assert!(all.iter().all(|own| own.remove_if_unused_for(day * 30, &world.cache).unwrap()));
    assert!(stored(&world.cache).is_empty());
}

#[test]
fn the_digests_of_a_kernel_name_its_folders() {
    let image = package(&[("./boot/vmlinuz-6.1.0-x", &bz_image())]);
    let world = World::new(&[("image.deb", &image), ("bzImage", &bz_image()), ("nothing", b"")]);
    world.open("image.deb").unwrap();
    let digests = |path: &str| digests(&[world.path(path)], &world.cache).iter().map(Sha256::to_string).collect();
    let folders: Vec<String> = stored(&world.cache).into_iter().map(|stored| stored.digest).collect();
    assert_eq!((folders.len(), digests("image.deb")), (2, folders.clone()));
    assert_eq!(digests("bzImage"), folders[..1]);
    assert_eq!(digests("nothing"), [""; 0]);
}

/// `RXPATH_TREE=/path/to/build cargo test … -- --ignored` opens a real build tree.
#[test]
#[ignore = "needs a build tree of a kernel, named by RXPATH_TREE"]
fn a_real_build_tree_is_a_kernel() {
    let tree = std::env::var_os("RXPATH_TREE").expect("RXPATH_TREE names a build tree");
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::at(folder.path()).unwrap();
    let kernel = open(Path::new(&tree), &cache).unwrap();
    println!("{kernel:#?}");
    let config = kernel.config().unwrap().unwrap();
    println!("required: {:?}; HZ {:?}", config.required(), config.value("CONFIG_HZ"));
    assert_eq!(open(&Path::new(&tree).join("arch/x86/boot/bzImage"), &cache).unwrap(), kernel);
    let vmlinux = open(&Path::new(&tree).join("vmlinux"), &cache).unwrap();
    assert_eq!((&vmlinux.release, &vmlinux.banner), (&kernel.release, &kernel.banner));
    let size = |path: PathBuf| fs::metadata(path).unwrap().len();
    println!("stripped to {} bytes, extracted {} bytes", size(vmlinux.folder.join("vmlinux")), size(kernel.vmlinux()));
}
