//! Where the parts of a kernel are, from any path that leads to it.

use std::fs::{self, DirEntry};
use std::path::{Path, PathBuf};

use super::error::OwnError;
use super::own_image;
use crate::kernel::elf_machine::{self, Machine};

/// The image of a build tree (arch/x86_64 is a link to arch/x86).
const BZ_IMAGE: &str = "arch/x86/boot/bzImage";

/// The parts of one kernel.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) image: PathBuf,
    /// A configuration beside it. One that is embedded in the image takes precedence.
    pub(super) config: Option<PathBuf>,
    pub(super) modules: Modules,
}

/// Where the modules are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Modules {
    None,
    /// A build tree, with or without `modules.order`.
    Tree(PathBuf),
    /// A `lib/modules` folder, with a folder for each release.
    Folder(PathBuf),
}

/// Finds the kernel that a path leads to.
pub(super) fn find(path: &Path) -> Result<Place, OwnError> {
    let path = &path.canonicalize().map_err(OwnError::read(path))?;
    if path.is_dir() { in_folder(path) } else { of_image(path) }
}

fn in_folder(folder: &Path) -> Result<Place, OwnError> {
    if folder.join(BZ_IMAGE).is_file() {
        return of_tree(folder);
    }
    if let Some(error) = unfinished_tree(folder) {
        return Err(error);
    }
    let modules = module_folder(folder);
    let mut folders = vec![folder.join("boot"), folder.to_owned()];
    folders.extend(modules.iter().flat_map(|modules| entries(modules)).map(|entry| entry.path()));
    // An image as installed comes first: vmlinux is the same kernel, for debuggers.
    let of_kind = |kind: &str| images_of_kind(&folders, kind);
    let images = ["vmlinuz", "bzImage", "vmlinux"].iter().map(|kind| of_kind(kind)).find(|found| !found.is_empty());
    match (images.unwrap_or_default().as_slice(), modules) {
        ([image], _) => of_image(image),
        ([], Some(modules)) => {
            Err(OwnError::OnlyModules { path: folder.to_owned(), releases: names(&modules).join(", ") })
        }
        ([], None) => Err(OwnError::Empty { path: folder.to_owned() }),
        (images, _) => {
            let images = images.iter().map(|image| image.display().to_string()).collect::<Vec<_>>().join(", ");
            Err(OwnError::Several { path: folder.to_owned(), images })
        }
    }
}

/// The images of a kind in these folders, each once even if links lead to it.
fn images_of_kind(folders: &[PathBuf], kind: &str) -> Vec<PathBuf> {
    let is_of_kind = |entry: &DirEntry| {
        let name = entry.file_name();
        let rest = name.to_str().and_then(|name| name.strip_prefix(kind)).map(str::to_owned);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    let found = folders.iter().flat_map(|folder| entries(folder)).filter(is_of_kind);
    let mut images: Vec<PathBuf> = found.filter_map(|entry| entry.path().canonicalize().ok()).collect();
    images.retain(|image| image.is_file());
    images.sort();
    images.dedup();
    images
}

/// Why a build or source tree has no image; `None` if the folder is something else.
fn unfinished_tree(folder: &Path) -> Option<OwnError> {
    let config = fs::read_to_string(folder.join(".config")).ok();
    if config.is_none() && !(folder.join("Kbuild").is_file() && folder.join("arch").is_dir()) {
        return None;
    }
    let vmlinux = folder.join("vmlinux");
    let built = own_image::start(&vmlinux).ok().and_then(|start| elf_machine::of_elf(&start));
    let machine = built.or_else(|| configured_machine(config.as_deref()?));
    Some(match (machine, config) {
        (Some(machine @ (Machine::X86 | Machine::Arm64 | Machine::Other(_))), _) => {
            OwnError::OtherMachine { path: folder.to_owned(), machine }
        }
        (_, Some(_)) => OwnError::NoBzImage { tree: folder.to_owned() },
        (_, None) => OwnError::Unbuilt { tree: folder.to_owned() },
    })
}

/// The machine that a configuration is for.
fn configured_machine(config: &str) -> Option<Machine> {
    let has = |line: &str| config.lines().any(|found| found == line);
    match () {
        () if has("CONFIG_X86_64=y") => Some(Machine::X86_64),
        () if has("CONFIG_X86_32=y") => Some(Machine::X86),
        () if has("CONFIG_ARM64=y") => Some(Machine::Arm64),
        () => None,
    }
}

fn of_tree(tree: &Path) -> Result<Place, OwnError> {
    let image = tree.join(BZ_IMAGE);
    let vmlinux = tree.join("vmlinux");
    let changed = |path: &Path| fs::metadata(path).and_then(|file| file.modified()).ok();
    // `make` writes the bzImage last. A copied tree may have any times, so the builds decide.
    if changed(&vmlinux) > changed(&image) && !own_image::is_same_build(&image, &vmlinux) {
        return Err(OwnError::OldBzImage { tree: tree.to_owned() });
    }
    let config = Some(tree.join(".config")).filter(|config| config.is_file());
    Ok(Place { image, config, modules: Modules::Tree(tree.to_owned()) })
}

/// The parts of a kernel around its image, whose path is canonical.
fn of_image(image: &Path) -> Result<Place, OwnError> {
    let folder = image.parent().unwrap_or(image);
    if image.ends_with(BZ_IMAGE)
        && let Some(tree) = image.ancestors().nth(4)
    {
        return of_tree(tree);
    }
    let tree_config = folder.join(".config");
    if tree_config.is_file() {
        return Ok(Place {
            image: image.to_owned(),
            config: Some(tree_config),
            modules: Modules::Tree(folder.to_owned()),
        });
    }
    let name = image.file_name().unwrap_or_default().to_string_lossy();
    let named = name.split_once('-').map(|(_kind, release)| folder.join(format!("config-{release}")));
    let config = named.into_iter().chain([folder.join("config")]).find(|config| config.is_file());
    let modules = match (folder.file_name(), folder.parent()) {
        (Some(name), Some(root)) if name == "boot" => module_folder(root),
        (_, Some(parent)) if parent.ends_with("lib/modules") => Some(parent.to_owned()),
        _ => module_folder(folder),
    };
    Ok(Place { image: image.to_owned(), config, modules: modules.map_or(Modules::None, Modules::Folder) })
}

/// The `lib/modules` folder under this one.
fn module_folder(folder: &Path) -> Option<PathBuf> {
    ["lib/modules", "usr/lib/modules"].iter().map(|path| folder.join(path)).find(|path| path.is_dir())
}

/// The entries of a folder in the order of their names; none if it cannot be read.
pub(super) fn entries(folder: &Path) -> Vec<DirEntry> {
    let mut entries: Vec<DirEntry> = fs::read_dir(folder).into_iter().flatten().flatten().collect();
    entries.sort_by_key(DirEntry::file_name);
    entries
}

/// The names of the entries of a folder.
pub(in crate::kernel) fn names(folder: &Path) -> Vec<String> {
    entries(folder).iter().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
