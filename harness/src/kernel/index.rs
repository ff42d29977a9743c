//! Reads the archive's `Packages` files and finds the newest kernel of a series.

use super::digest::Sha256;
use super::lock::PinnedPackage;
use super::series::Series;
use super::version::compare_versions;

/// A package in a `Packages` file (Debian Policy 5.3, Debian's repository format).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) pin: PinnedPackage,
    /// The names of the packages it depends on, including all alternatives.
    pub(super) depends: Vec<String>,
}

/// Parses the stanzas of a `Packages` file whose package name `wanted` accepts. Skips stanzas that lack a field.
pub(super) fn offers(packages: &str, wanted: &dyn Fn(&str) -> bool) -> Vec<Offer> {
    packages
        .split("\n\n")
        .filter(|stanza| field(stanza, "Package").is_some_and(wanted))
        .filter_map(|stanza| {
            let pin = PinnedPackage {
                package: field(stanza, "Package")?.to_owned(),
                version: field(stanza, "Version")?.to_owned(),
                path: field(stanza, "Filename")?.trim_start_matches("./").to_owned(),
                size: field(stanza, "Size")?.parse().ok()?,
                sha256: field(stanza, "SHA256")?.parse::<Sha256>().ok()?,
            };
            let depends = field(stanza, "Depends").unwrap_or_default();
            let name = |relation: &str| relation.split_whitespace().next().map(str::to_owned);
            Some(Offer { pin, depends: depends.split([',', '|']).filter_map(name).collect() })
        })
        .collect()
}

fn field<'a>(stanza: &'a str, name: &str) -> Option<&'a str> {
    stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
}

/// A kernel in a suite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OfferedKernel {
    pub(super) version: String,
    pub(super) packages: Vec<PinnedPackage>,
    /// Whether its modules and its configuration are among the packages.
    pub(super) has_modules: bool,
}

/// Finds the packages of the newest kernel of a series in a suite, and their version. Skips versions without modules.
pub(super) fn newest_kernel(offers: &[Offer], series: Series, flavour: &str) -> Option<(String, Vec<PinnedPackage>)> {
    let mut found = kernels(offers, flavour).into_iter();
    let newest = found.find(|kernel| series.contains(&kernel.version) && kernel.has_modules)?;
    Some((newest.version, newest.packages))
}

/// Finds the kernels of a flavour in a suite, the newest first.
///
/// Up to 6.18, one package, `linux-image-ABI-FLAVOUR`, contains everything (in 6.18 it also depends on a `linux-base-…`,
/// which is not needed). In later series it only depends on `linux-base-…`, `linux-binary-…` and `linux-modules-…`. The
/// archive can still have the image in `linux-binary-…` when the other two are gone; such a version is skipped.
pub(super) fn kernels(offers: &[Offer], flavour: &str) -> Vec<OfferedKernel> {
    let is_image = |offer: &&Offer| abi(&offer.pin.package, "linux-image-", flavour).is_some();
    let mut images: Vec<&Offer> = offers.iter().filter(is_image).collect();
    images.sort_by(|a, b| compare_versions(&b.pin.version, &a.pin.version));
    images.into_iter().filter_map(|image| offered(offers, image, flavour)).collect()
}

fn offered(offers: &[Offer], image: &Offer, flavour: &str) -> Option<OfferedKernel> {
    let version = image.pin.version.clone();
    let part = |prefix: &str| {
        let name = image.depends.iter().find(|name| abi(name, prefix, flavour).is_some())?;
        Some(offers.iter().find(|offer| offer.pin.package == *name && offer.pin.version == version))
    };
    if part("linux-binary-").is_none() {
        return Some(OfferedKernel { version, packages: vec![image.pin.clone()], has_modules: true });
    }
    let found = |prefix: &str| Some(part(prefix).flatten()?.pin.clone());
    let binary = found("linux-binary-")?;
    let (packages, has_modules) = match (found("linux-base-"), found("linux-modules-")) {
        (Some(base), Some(modules)) => (vec![base, binary, modules], true),
        _ => (vec![binary], false),
    };
    Some(OfferedKernel { version, packages, has_modules })
}

/// Whether a package with this name is a kernel, or a part of one, of a series and a flavour.
pub(super) fn is_kernel_package(package: &str, series: Series, flavour: &str) -> bool {
    const PREFIXES: [&str; 4] = ["linux-image-", "linux-base-", "linux-binary-", "linux-modules-"];
    PREFIXES.iter().filter_map(|prefix| abi(package, prefix, flavour)).any(|abi| series.contains(abi))
}

/// The part of a package's name that identifies the kernel's build, which has at least three numbers. Metapackages such as
/// `linux-image-6.12-cloud-amd64`, which depend on the newest build of a series, have none. A package of
/// a different flavour has none either, even if that flavour ends in the wanted one, as `cloud-amd64` ends in `amd64`.
fn abi<'a>(package: &'a str, prefix: &str, flavour: &str) -> Option<&'a str> {
    let abi = package.strip_prefix(prefix)?.strip_suffix(flavour)?.strip_suffix('-')?;
    let mut numbers = abi.splitn(3, '.');
    let number = |part: Option<&str>| part.is_some_and(|part| part.starts_with(|digit: char| digit.is_ascii_digit()));
    let numbered = number(numbers.next()) && number(numbers.next()) && number(numbers.next());
    (numbered && abi.split('-').all(|part| number(Some(part)))).then_some(abi)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stanza(package: &str, version: &str, depends: &str) -> String {
        let digest = Sha256::of(format!("{package}{version}").as_bytes());
        format!(
            "Package: {package}\nVersion: {version}\nDepends: {depends}\nDescription: one\n more: words\n\
             Filename: pool/main/l/linux/{package}_{version}_amd64.deb\nSize: 7\nSHA256: {digest}\n"
        )
    }

    fn newest(stanzas: &[String], series: &str) -> Option<(String, Vec<String>)> {
        let offers = offers(&stanzas.join("\n"), &|name| name.starts_with("linux-"));
        let (version, pins) = newest_kernel(&offers, series.parse().unwrap(), "cloud-amd64")?;
        Some((version, pins.into_iter().map(|pin| pin.package).collect()))
    }

    #[test]
    fn the_newest_version_of_the_series_and_flavour_is_chosen() {
        let stanzas = [
            stanza("linux-image-6.12.9+deb13-cloud-amd64", "6.12.9-1", "kmod"),
            stanza("linux-image-6.12.10+deb13-cloud-amd64", "6.12.10-1", "kmod"),
            stanza("linux-image-6.12.11+deb13-amd64", "6.12.11-1", "kmod"),
            stanza("linux-image-6.12.11+deb13-cloud-amd64-unsigned", "6.12.11-1", "kmod"),
            stanza("linux-image-6.12-cloud-amd64", "6.12.99-1", "linux-image-6.12.10+deb13-cloud-amd64"),
            stanza("linux-image-6.1.0-99-cloud-amd64", "6.1.999-1", "kmod"),
        ];
        let expected = ("6.12.10-1".to_owned(), vec!["linux-image-6.12.10+deb13-cloud-amd64".to_owned()]);
        assert_eq!(newest(&stanzas, "6.12"), Some(expected));
        assert_eq!(newest(&stanzas, "6.13"), None);
        assert_eq!(abi("linux-image-6.12.11+deb13-amd64", "linux-image-", "amd64"), Some("6.12.11+deb13"));
        assert_eq!(abi("linux-image-6.12.11+deb13-cloud-amd64", "linux-image-", "amd64"), None);
        assert_eq!(
            abi("linux-image-6.1.0-0.deb11.41-cloud-amd64", "linux-image-", "cloud-amd64"),
            Some("6.1.0-0.deb11.41")
        );
    }

    #[test]
    fn an_image_with_everything_needs_no_base_package() {
        let image = "linux-image-6.18.15+deb13-cloud-amd64";
        let stanzas = [stanza(image, "6.18.15-1", "kmod, linux-base-6.18.15+deb13-cloud-amd64 (= 1)")];
        assert_eq!(newest(&stanzas, "6.18"), Some(("6.18.15-1".to_owned(), vec![image.to_owned()])));
    }

    #[test]
    fn a_split_kernel_is_chosen_only_if_all_its_parts_exist() {
        let version = |abi: &str| {
            let depends = format!(
                "dracut | initramfs-tools (>= 0.120), linux-base-{abi}-cloud-amd64 (= 1), \
                 linux-binary-{abi}-cloud-amd64 (= 1), linux-modules-{abi}-cloud-amd64 (= 1)"
            );
            [
                stanza(&format!("linux-image-{abi}-cloud-amd64"), &format!("{abi}-1"), &depends),
                stanza(&format!("linux-base-{abi}-cloud-amd64"), &format!("{abi}-1"), ""),
                stanza(&format!("linux-binary-{abi}-cloud-amd64"), &format!("{abi}-1"), ""),
                stanza(&format!("linux-modules-{abi}-cloud-amd64"), &format!("{abi}-1"), ""),
            ]
        };
        let mut stanzas = [version("7.2.4"), version("7.2.5")].concat();
        let parts =
            |abi: &str| ["base", "binary", "modules"].map(|part| format!("linux-{part}-{abi}-cloud-amd64")).into();
        assert_eq!(newest(&stanzas, "7.2"), Some(("7.2.5-1".to_owned(), parts("7.2.5"))));
        stanzas.pop();
        assert_eq!(newest(&stanzas, "7.2"), Some(("7.2.4-1".to_owned(), parts("7.2.4"))));
        let listed = |stanzas: &[String]| -> Vec<(String, usize, bool)> {
            let offers = offers(&stanzas.join("\n"), &|name| name.starts_with("linux-"));
            let kernels = kernels(&offers, "cloud-amd64").into_iter();
            kernels.map(|kernel| (kernel.version, kernel.packages.len(), kernel.has_modules)).collect()
        };
        assert_eq!(listed(&stanzas), [("7.2.5-1".to_owned(), 1, false), ("7.2.4-1".to_owned(), 3, true)]);
        stanzas.pop();
        assert_eq!(listed(&stanzas), [("7.2.4-1".to_owned(), 3, true)]);
    }

    #[test]
    fn a_stanza_without_a_digest_is_skipped() {
        let text = "Package: linux-x\nVersion: 1\nFilename: pool/x.deb\nSize: 1\n";
        assert!(offers(text, &|_| true).is_empty());
    }
}
