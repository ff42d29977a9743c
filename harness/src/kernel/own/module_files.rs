//! Finds the modules of a user's own kernel.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::OwnError;
use super::place::{Modules, entries, names};
use crate::kernel::modules::{self, ModuleIndex, module_name};

/// What a module's file name may end in, after `.ko` (CONFIG_MODULE_COMPRESS).
const PACKINGS: [&str; 4] = ["", ".xz", ".zst", ".gz"];

/// Finds the modules of the kernel `release`, whose image is at `image`. The index has their paths.
pub(super) fn find(place: &Modules, image: &Path, release: &str) -> Result<ModuleIndex, OwnError> {
    let index = match place {
        Modules::None => return Ok(ModuleIndex::default()),
        Modules::Tree(tree) => of_tree(tree),
        Modules::Folder(folder) => {
            let of_release = folder.join(release);
            if !of_release.is_dir() {
                let found = names(folder);
                if found.is_empty() {
                    return Ok(ModuleIndex::default());
                }
                return Err(OwnError::OtherModules {
                    image: image.to_owned(),
                    release: release.to_owned(),
                    modules: folder.clone(),
                    found: found.join(", "),
                });
            }
            of_folder(&of_release)
        }
    };
    // The first file that can be read decides; each one is checked again when it is loaded.
    if let Some(path) = index.files.values().find_map(|path| existing(Path::new(path))) {
        check_release(&path, &fs::read(&path).map_err(OwnError::read(&path))?, release)?;
    }
    Ok(index)
}

/// Reads a module's file, which may have been packed since.
pub(in crate::kernel) fn read(path: &Path, release: &str) -> Result<Vec<u8>, OwnError> {
    let found = existing(path).ok_or_else(|| OwnError::NoModule { module: path.to_owned() })?;
    let bytes = fs::read(&found).map_err(OwnError::read(&found))?;
    check_release(&found, &bytes, release)?;
    Ok(bytes)
}

/// Refuses a module that was built for a different kernel.
fn check_release(path: &Path, bytes: &[u8], release: &str) -> Result<(), OwnError> {
    // A damaged module is reported when it is loaded.
    match modules::built_for(bytes) {
        Some(found) if found != release => {
            Err(OwnError::Vermagic { module: path.to_owned(), found, release: release.to_owned() })
        }
        _ => Ok(()),
    }
}

fn existing(path: &Path) -> Option<PathBuf> {
    let packed = PACKINGS.iter().map(|packing| PathBuf::from(format!("{}{packing}", path.display())));
    packed.into_iter().find(|path| path.is_file())
}

/// The modules in a tree's `modules.order` (Documentation/kbuild/kbuild.rst). It is missing until `make modules`, names objects
/// (`.o`) since 6.3, and had `kernel/` before each path up to 5.3.
fn of_tree(tree: &Path) -> ModuleIndex {
    let mut index = ModuleIndex::default();
    let read = |name: &str| fs::read_to_string(tree.join(name)).unwrap_or_default();
    for line in read("modules.order").lines() {
        let path = line.strip_prefix("kernel/").filter(|_| !tree.join(line).exists()).unwrap_or(line);
        let path = path.strip_suffix(".o").map_or_else(|| path.to_owned(), |stem| format!("{stem}.ko"));
        if let Some(name) = module_name(&path) {
            index.files.insert(name, tree.join(path).display().to_string());
        }
    }
    index.add_built_in(&read("modules.builtin"));
    index
}

/// The modules in the folder of a release.
fn of_folder(folder: &Path) -> ModuleIndex {
    let mut index = ModuleIndex::default();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in entries(&next) {
            // `build` and `source` are links to the tree.
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() => {
                    let path = entry.path().display().to_string();
                    index.files.extend(module_name(&path).map(|name| (name, path)));
                }
                _ => {}
            }
        }
    }
    index.add_built_in(&fs::read_to_string(folder.join("modules.builtin")).unwrap_or_default());
    index
}
