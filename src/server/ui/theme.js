// Runs before the first paint, so that a dark page never flashes white. Not a module: modules wait for the document.
try {
  const theme = localStorage.getItem('sambay.theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  // No storage: the system's preference it is.
}
