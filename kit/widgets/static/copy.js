// A button that asks the kernel for a text and puts it on the clipboard.

async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Pages that are not secure, or lost the click, have no clipboard of this kind.
    const area = document.createElement("textarea");
    area.value = text;
    area.setAttribute("aria-hidden", "true");
    area.style.position = "fixed";
    area.style.opacity = "0";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

function render({ model, el }) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "lm-Widget jupyter-widgets jupyter-button widget-button kit-copy";
  button.textContent = model.get("label");
  const told = document.createElement("span");
  told.className = "kit-copy-told";
  told.setAttribute("role", "status");
  button.addEventListener("click", () => {
    told.textContent = "";
    model.send({ wanted: true });
  });
  const take = async (message) => {
    if (typeof message?.text !== "string") return;
    told.textContent = (await copied(message.text)) ? "Copied." : "The browser does not let it; select the text below.";
    button.focus();
  };
  model.on("msg:custom", take);
  el.classList.add("kit-copy-row");
  el.append(button, told);
  return () => model.off("msg:custom", take);
}

export default { render };
