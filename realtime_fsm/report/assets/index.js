// Filters and sorts the rows of the index. They are all in the page: nothing is fetched.

const which = document.getElementById("which"), order = document.getElementById("order");
const search = document.getElementById("search"), count = document.getElementById("count");
const body = document.querySelector("table.index tbody");
const rows = [...body.rows];

function show() {
  const text = search.value.trim().toLowerCase();
  const by = order.value;
  const value = (row) => Number(row.dataset[by]);
  rows.sort((a, b) => (by === "name" ? value(a) - value(b) : value(b) - value(a)) || a.dataset.name - b.dataset.name);
  let shown = 0;
  for (const row of rows) {
    const kinds = row.dataset.kinds.split(" ");
    row.hidden = !(which.value === "all" || kinds.includes(which.value)) || !row.textContent.toLowerCase().includes(text);
    if (!row.hidden) shown += 1;
  }
  body.append(...rows);
  count.textContent = `${shown} of ${rows.length} files`;
}

// The address keeps the filter, so that it can be sent: index.html#failed,slowest
function place() {
  try {
    history.replaceState(null, "", `#${which.value},${order.value}`);
  } catch {
    // A page that is shown from memory has no address.
  }
}

function take() {
  for (const each of location.hash.slice(1).split(",")) {
    for (const select of [which, order]) {
      if ([...select.options].some((option) => option.value === each)) select.value = each;
    }
  }
  show();
}

for (const select of [which, order]) {
  select.addEventListener("input", () => {
    place();
    show();
  });
}
search.addEventListener("input", show);
for (const link of document.querySelectorAll("[data-rule]")) {
  link.addEventListener("click", () => {
    which.value = link.dataset.rule;
    place();
    show();
    which.scrollIntoView({ block: "start" });
  });
}
window.addEventListener("hashchange", take);
take();
document.documentElement.dataset.ready = "yes";
