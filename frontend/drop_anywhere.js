// While files are dragged over the window, the drop zone covers all of it: see .vf-dragging in
// style.css. Not while a popover or dialog is open, whose own drop zone is meant then.
if (!window.vfDropAnywhere) {
  window.vfDropAnywhere = true;
  let timer = 0;
  const end = () => document.body.classList.remove("vf-dragging");
  const hasFiles = (event) => event.dataTransfer && event.dataTransfer.types.includes("Files");
  window.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault(); // a file that misses the zone must not replace the page
    if (!document.querySelector('[data-testid="stPopoverBody"], [role="dialog"]')) {
      document.body.classList.add("vf-dragging");
    }
    clearTimeout(timer);
    timer = setTimeout(end, 600); // a browser repeats dragover as long as it goes on
  });
  window.addEventListener("drop", (event) => {
    if (hasFiles(event)) event.preventDefault();
    end();
  });
}
